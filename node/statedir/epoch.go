// Package statedir is what one start leaves to the next in the state directory: the epoch, and of which version the directory is. One
// daemon at a time uses it. What mesh and trust keep there is theirs.
package statedir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/weftnet/weft/atomicfile"
)

// EpochFile holds the number of the last start. Handshake stamps begin with it, so that they grow from start to start
// even when the clock does not.
const EpochFile = "epoch.json"

// Version is the version of the state files that this weft writes; it reads older ones, too.
const Version = 1

// MaxFile bounds what is read of a state file: the claims of the largest cluster take less.
const MaxFile = 64 << 20

type epochState struct {
	Version int    `json:"version"`
	Epoch   uint64 `json:"epoch"`
}

// NextEpoch returns the epoch of this start and stores it: the wall clock in milliseconds, or one more than the one stored if
// that is not behind the clock. So epochs grow where none can be stored, too, as long as nobody sets the clock back. A damaged
// file is set aside and named in aside. With an *atomicfile.Error the epoch is good for this start, and not stored.
func NextEpoch(dir string, now time.Time) (epoch uint64, aside string, err error) {
	path := filepath.Join(dir, EpochFile)
	var last epochState
	data, _, err := atomicfile.Read(path, MaxFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return 0, "", fmt.Errorf("statedir: read epoch: %w (move it away)", err)
	case (json.Unmarshal(data, &last) != nil || last.Epoch == math.MaxUint64) && last.Version <= Version: // no epoch comes after the highest
		last = epochState{}
		aside = path + ".damaged-" + now.UTC().Format("20060102T150405Z")
		if err := os.Rename(path, aside); err != nil {
			return 0, "", fmt.Errorf("statedir: set damaged epoch aside: %w", err)
		}
	case last.Version > Version:
		return 0, "", fmt.Errorf("statedir: %s is of version %d, this weft knows %d: run the newer weft, or another state_dir", path, last.Version, Version)
	}
	epoch = max(last.Epoch+1, uint64(now.UnixMilli()))
	return epoch, aside, WriteEpoch(dir, epoch)
}

// WriteEpoch stores the epoch of this start. The error is an *atomicfile.Error.
func WriteEpoch(dir string, epoch uint64) error {
	data, err := json.Marshal(epochState{Version: Version, Epoch: epoch})
	if err != nil {
		panic("statedir: encode epoch: " + err.Error()) // two numbers
	}
	return atomicfile.Write(filepath.Join(dir, EpochFile), append(data, '\n'), 0o600)
}
