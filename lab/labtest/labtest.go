// Package labtest is what tests of several rooms need to run weft itself on virtual hosts.
package labtest

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built is weft's executable, made once for all tests of a process.
var built struct {
	once sync.Once
	dir  *buildDir
	err  error
}

// Weft builds weft at the first call and returns the path of the executable. A TestMain whose tests call it ends with Remove.
func Weft(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = newBuildDir(); built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", built.dir.path, "github.com/weftnet/weft/cmd/weft").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("build weft: %w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return filepath.Join(built.dir.path, "weft")
}

// Remove removes the executable, if Weft built one.
func Remove() {
	if built.dir != nil {
		built.dir.remove()
	}
}
