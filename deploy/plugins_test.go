package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// plugins are built once for all tests.
var plugins struct {
	sync.Once
	dir string
	out []byte
	err error
}

// pluginsDir is a directory with the CNI plugins that are installed. Where the modules cannot be had the test is skipped.
func pluginsDir(t *testing.T) string {
	t.Helper()
	plugins.Do(func() {
		plugins.dir, plugins.err = os.MkdirTemp("", "weft-plugins-")
		if plugins.err == nil {
			make := exec.Command("make", "--silent", "--directory", repository(t), "cni", "CNI="+filepath.Join(plugins.dir, "cni"))
			plugins.out, plugins.err = make.CombinedOutput()
		}
	})
	if plugins.err != nil && (strings.Contains(string(plugins.out), "proxy.golang.org") || strings.Contains(string(plugins.out), "dial tcp")) {
		t.Skipf("the plugins cannot be had: %s", plugins.out)
	}
	if plugins.err != nil {
		t.Fatalf("make cni: %v\n%s", plugins.err, plugins.out)
	}
	return filepath.Join(plugins.dir, "cni")
}

func removePlugins() {
	if plugins.dir != "" {
		os.RemoveAll(plugins.dir)
	}
}
