package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/weftnet/weft/atomicfile"
)

// maxConfigLen is far more than any configuration needs, and little enough to be read into memory, whatever the path leads to.
const maxConfigLen = 1 << 20

// readConfigFile reads a configuration. It never waits: what is no regular file (a pipe that nobody writes to, a terminal) is
// refused, but for /dev/null, which stands for an empty one. The error is one line that begins with the path and ends with what
// to do.
func readConfigFile(path string) ([]byte, error) {
	switch path {
	case "":
		return nil, errors.New("the path is empty: name a file with --config")
	case os.DevNull:
		return nil, nil
	}
	data, _, err := atomicfile.Read(path, maxConfigLen)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, RootHint(err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w (make one with 'weft init' or 'weft join', or name it with --config)", err)
	case err != nil:
		return nil, fmt.Errorf("%w (name the configuration with --config)", err)
	}
	return data, nil
}

// RootHint adds what helps when the user lacks permission.
func RootHint(err error) error {
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		return fmt.Errorf("%w (run it as root, with sudo)", err)
	}
	return err
}
