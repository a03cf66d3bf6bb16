package doctor

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/weftnet/weft/node/config"
)

func TestTheDaemonIsAskedWhereItsConfigurationSays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "weft.yaml")
	if err := os.WriteFile(file, []byte("run_dir: /run/other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Config: file}, "/run/other/weft.sock"},
		{Options{Config: file, Socket: "/run/given.sock"}, "/run/given.sock"},
		{Options{Config: file + ".none"}, config.DefaultSocket},
	} {
		if got := c.o.ControlSocket(); got != c.want {
			t.Errorf("%+v: %s, want %s", c.o, got, c.want)
		}
	}
}
