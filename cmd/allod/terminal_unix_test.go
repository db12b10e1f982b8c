//go:build unix

package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// A session is the command on a terminal of its own.
type session struct {
	t        *testing.T
	cmd      *exec.Cmd
	terminal *os.File
	read     chan []byte
	text     strings.Builder // all that the terminal was sent
}

// onTerminal starts the command on a terminal of 100 by 30, and is skipped where
// there are none. Of a program that hangs, the end of the test is the end.
func onTerminal(t *testing.T, onlyErrors bool, args ...string) *session {
	t.Helper()
	terminal, tty, err := pty.Open()
	if err != nil {
		t.Skipf("SKIPPED: no terminal to be had here: %v", err)
	}
	defer tty.Close()
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 30, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	s := &session{t: t, cmd: exec.CommandContext(t.Context(), os.Args[0], args...), terminal: terminal, read: make(chan []byte)}
	s.cmd.Env = append(os.Environ(), "ALLOD_TEST_AS_COMMAND=1", "TERM=xterm-256color")
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = tty, tty, tty
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // or it is not told of sizes
	if onlyErrors {
		s.cmd.Stdout = nil
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.read)
		for {
			b := make([]byte, 4096)
			n, err := terminal.Read(b)
			if n > 0 {
				s.read <- b[:n]
			}
			if err != nil { // nobody has it open any more
				return
			}
		}
	}()
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		terminal.Close()
		for range s.read {
		}
	})
	return s
}

// until reads until the terminal was sent all of want, from here on.
func (s *session) until(want ...string) {
	s.t.Helper()
	from := s.text.Len()
	patience := time.After(time.Minute)
	for _, w := range want {
		for !strings.Contains(s.text.String()[from:], w) {
			select {
			case b, ok := <-s.read:
				if !ok {
					s.t.Fatalf("it ended, and no %q was in\n%q", w, s.text.String()[from:])
				}
				s.text.Write(b)
			case <-patience:
				s.t.Fatalf("no %q in\n%q", w, s.text.String()[from:])
			}
		}
	}
}

func (s *session) press(keys string) {
	s.t.Helper()
	if _, err := s.terminal.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// end reads what is left, and returns the exit code and all that was sent.
func (s *session) end() (text string, code int) {
	s.t.Helper()
	for b := range s.read {
		s.text.Write(b)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Log(err)
	}
	return s.text.String(), s.cmd.ProcessState.ExitCode()
}

// The live screen takes the whole terminal, heeds keys, and gives it back as it was.
func TestTopOnTerminal(t *testing.T) {
	const enter, leave = "\x1b[?1049h", "\x1b[?1049l"
	for _, quit := range []string{"q", "\x03"} {
		s := onTerminal(t, false, "top", "--interval=100ms", shop(t).URL)
		s.until(enter, "off the Go heap", "COMMITTED", "shop", "68.4 KiB", "q quit")
		s.press("s")
		s.until("top_test.go")
		s.press("h")
		s.until("sort by live bytes")
		s.press("h")
		s.press("g")
		s.until("GROWN")
		if err := pty.Setsize(s.terminal, &pty.Winsize{Rows: 8, Cols: 40}); err != nil {
			t.Fatal(err)
		}
		s.until("\x1b[2J", "shop/cache/index")
		s.press(quit)
		text, code := s.end()
		if code != 0 || !strings.Contains(text, leave) || strings.LastIndex(text, leave) < strings.LastIndex(text, enter) {
			t.Errorf("%q: exit code %d, %q", quit, code, text[max(0, len(text)-300):])
		}
	}
}

// A bar is shown while one waits, and nothing of it is left.
func TestBarOnTerminal(t *testing.T) {
	s := onTerminal(t, true, "bench", "--count=1", "--for=1ms", "--allocator=gc", "pairs")
	s.until("░", "gc")
	text, code := s.end()
	if code != 0 {
		t.Errorf("exit code %d, %q", code, text)
	}
	if line := text[strings.LastIndexByte(text, '\r')+1:]; strings.ContainsAny(line, "█░") {
		t.Errorf("this is left: %q", line)
	}
}
