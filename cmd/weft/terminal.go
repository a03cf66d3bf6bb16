package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// terminal is the terminal that w writes to; ok is false when it is none.
func terminal(w io.Writer) (columns int, ok bool) {
	if o, wrapped := w.(*output); wrapped {
		w = o.to
	}
	f, isFile := w.(*os.File)
	if !isFile {
		return 0, false
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, false
	}
	return int(size.Col), true
}

// terminalWidth is how many characters fit a line; 0 when w is no terminal, or one that does not say.
func terminalWidth(w io.Writer) int {
	columns, _ := terminal(w)
	return columns
}

func isTerminal(w io.Writer) bool {
	_, ok := terminal(w)
	return ok
}
