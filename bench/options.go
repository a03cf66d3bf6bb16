package bench

import (
	"errors"
	"fmt"
	"io"
)

const maxRounds = 100

// ErrUsage marks what is wrong with the options themselves, in contrast to what is wrong with the machine.
var ErrUsage = errors.New("usage")

// usageError is one line, without the word usage.
type usageError struct{ error }

func (e usageError) Is(target error) bool { return target == ErrUsage }
func (e usageError) Unwrap() error        { return e.error }

func usage(format string, args ...any) error {
	return usageError{fmt.Errorf("bench: "+format, args...)}
}

// Options say what to run.
type Options struct {
	Preset     string    // "quick", "standard" (the default) or "full"
	Only       []string  // names of subjects and measures; each kind that is not named is the preset's
	Rounds     int       // 1 to 100; 0: the preset's, 5 or 10
	MTU        int       // bytes, of the underlay; 0: 1500
	OverlayMTU int       // bytes, of the pods' interfaces; 0: what each subject leaves
	Rate       uint64    // bit/s of each host's cable; 0: unlimited
	Out        string    // folder of the report, made when there is none
	Resume     bool      // go on with the unfinished run in Out
	Fresh      bool      // throw the unfinished run in Out away
	Binary     string    // weft's executable
	Progress   io.Writer // nil: none
	Terminal   bool      // Progress is one line that is written again and again
}

// withDefaults fills in what is not given and checks the rest, without looking at the machine.
func (o Options) withDefaults() (Options, error) {
	if o.Preset == "" {
		o.Preset = Standard
	}
	if o.MTU == 0 {
		o.MTU = 1500
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	switch {
	case o.Rounds < 0 || o.Rounds > maxRounds:
		return o, usage("%d rounds: want 1 to %d", o.Rounds, maxRounds)
	case o.Out == "":
		return o, usage("no folder for the report")
	case o.Resume && o.Fresh:
		return o, usage("an unfinished run is either resumed or thrown away, not both")
	}
	return o, nil
}
