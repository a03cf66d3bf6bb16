package lab

import (
	"io"
	"path/filepath"
	"strings"
)

// Command is a program to start.
type Command struct {
	Args  []string  // the program and its arguments; the program is looked up in PATH
	Env   []string  // KEY=VALUE, in addition to the environment of this process
	Dir   string    // working directory; empty: that of this process
	Stdin io.Reader // nil: /dev/null
}

// label is the program's short name, for file names and errors.
func (c Command) label() string {
	if len(c.Args) == 0 {
		return "nothing"
	}
	return strings.Map(plain, filepath.Base(c.Args[0]))
}

// plain keeps a file name harmless.
func plain(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
		return r
	}
	return '_'
}
