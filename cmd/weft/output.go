package main

import (
	"errors"
	"io"
	"regexp"
	"strings"
)

// output is the standard output of a command. It remembers the first write that failed: a command that could not say
// what it was asked for has failed, whatever else it did.
type output struct {
	to  io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.to.Write(p)
	o.err = err
	return n, err
}

// failed is err, or what went wrong with the output if err does not tell of it.
func (o *output) failed(err error) error {
	if o.err == nil || errors.Is(err, o.err) {
		return err
	}
	return errors.Join(err, o.err)
}

// room is the name of a room where an error began: a reader of the code wants it, a user does not.
var room = regexp.MustCompile(`(^|: |; )(?:(?:node|handover|config|setup|service|rundir|statedir|dialback|doctor|bundle|router|linkstate|mesh|encap|tun|kernel|trust|packet|lab|cluster|bench|bed|measure|load|between|report|render|wireguard|install|ipam|kubernetes|lease|podnet|pods|yaml): )+`)

// oneLine is the error's text without line breaks and names of rooms, as plainText.
func oneLine(err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if words := plainText(strings.Fields(line)); words != "" {
			parts = append(parts, words)
		}
	}
	return room.ReplaceAllString(strings.Join(parts, "; "), "$1")
}
