//go:build gc && go1.26 && !go1.28 && !allod_nolinkname && !purego

#include "textflag.h"

// The runtime's g begins with the bounds of the stack, lo and hi. R29 is the
// frame pointer of the Go function that called this one. At a frame pointer lies
// that of the caller, and above it the return address.

// func walk(pcs *uintptr, n, skip int) int
TEXT ·walk(SB), NOSPLIT|NOFRAME, $0-32
	MOVD pcs+0(FP), R0
	MOVD n+8(FP), R1
	MOVD skip+16(FP), R2
	MOVD 0(g), R3       // lo: every frame pointer is above the one before
	MOVD 8(g), R4
	SUB  $16, R4        // hi: both words are on the stack
	MOVD R29, R5
	MOVD ZR, R6
loop:
	CMP  R1, R6
	BGE  done
	CMP  R3, R5
	BLS  done
	CMP  R4, R5
	BHI  done
	TST  $7, R5
	BNE  done
	MOVD R5, R3
	MOVD 8(R3), R7
	MOVD 0(R3), R5
	SUBS $1, R2, R2
	BGE  loop           // this one is skipped
	CBZ  R7, done
	MOVD R7, (R0)(R6<<3)
	ADD  $1, R6, R6
	B    loop
done:
	MOVD R6, ret+24(FP)
	RET
