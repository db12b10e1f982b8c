//go:build gc && go1.26 && !go1.28 && !allod_nolinkname && !purego

#include "textflag.h"

// The runtime's g begins with the bounds of the stack, lo and hi. BP is the
// frame pointer of the Go function that called this one. At a frame pointer lies
// that of the caller, and above it the return address.

// func walk(pcs *uintptr, n, skip int) int
TEXT ·walk(SB), NOSPLIT|NOFRAME, $0-32
	MOVQ pcs+0(FP), DI
	MOVQ n+8(FP), CX
	MOVQ skip+16(FP), DX
	MOVQ (TLS), R8
	MOVQ 0(R8), SI      // lo: every frame pointer is above the one before
	MOVQ 8(R8), R8
	SUBQ $16, R8        // hi: both words are on the stack
	MOVQ BP, R10
	XORQ AX, AX
loop:
	CMPQ AX, CX
	JGE  done
	CMPQ R10, SI
	JLS  done
	CMPQ R10, R8
	JHI  done
	TESTQ $7, R10
	JNZ  done
	MOVQ R10, SI
	MOVQ 8(SI), R9
	MOVQ 0(SI), R10
	SUBQ $1, DX
	JGE  loop           // this one is skipped
	TESTQ R9, R9
	JZ   done
	MOVQ R9, (DI)(AX*8)
	INCQ AX
	JMP  loop
done:
	MOVQ AX, ret+24(FP)
	RET
