package statedir

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/weftnet/weft/atomicfile"
)

// FuzzEpoch gives a start the file of the one before in any condition: its epoch is later than that, and not behind the clock, or
// the start is refused, and the file stays.
func FuzzEpoch(f *testing.F) {
	f.Add([]byte(`{"version":1,"epoch":1700000000123}`))
	f.Add([]byte(`{"version":2,"epoch":1}`))
	f.Add([]byte(`{"version":1,"epoch":-1}`))
	f.Add([]byte(`{"version":1,"epoch":18446744073709551615}`))
	f.Add([]byte("null"))
	f.Add([]byte{})
	now := time.UnixMilli(1_700_000_000_000)
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir, err := os.MkdirTemp("", "weft-fuzz")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, EpochFile)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		var last epochState
		readable := json.Unmarshal(raw, &last) == nil
		refused := CheckVersion(dir) != nil
		epoch, aside, err := NextEpoch(dir, now)
		var unwritten *atomicfile.Error
		if err != nil && !errors.As(err, &unwritten) {
			if kept, _ := os.ReadFile(path); !refused || string(kept) != string(raw) {
				t.Errorf("%q is refused (%v), and before %v; %q is left", raw, err, refused, kept)
			}
			return
		}
		if epoch < uint64(now.UnixMilli()) || readable && aside == "" && epoch <= last.Epoch {
			t.Errorf("after %q comes %d", raw, epoch)
		}
		if next, _, err := NextEpoch(dir, now); err != nil || next <= epoch && epoch != math.MaxUint64 {
			t.Errorf("after %d comes %d, %v", epoch, next, err)
		}
	})
}
