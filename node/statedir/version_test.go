package statedir

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weftnet/weft/node/version"
)

func TestTheStateDirectorySaysWhoWroteItAndADamagedMarkIsWrittenAnew(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, VersionFile)
	must(t, Mark(dir))
	want := stateMark{Version: Version, Weft: version.Get().Version}
	if got := readMark(file); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, damaged := range []string{"", "{", `{"version": "one"}`, `{"version": 1, "weft": "v0.0.1"}`} {
		must(t, os.WriteFile(file, []byte(damaged), 0o600))
		must(t, CheckVersion(dir))
		must(t, Mark(dir))
		if got := readMark(file); got != want {
			t.Errorf("over %q: %+v, want %+v", damaged, got, want)
		}
	}
}
