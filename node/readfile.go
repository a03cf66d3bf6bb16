package node

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxConfigLen is far more than any configuration needs, and little enough to be read into memory, whatever the path leads to.
const maxConfigLen = 1 << 20

// readConfigFile reads a configuration. It never waits: what is no regular file (a pipe that nobody writes to, a terminal) is
// refused, but for /dev/null, which stands for an empty one.
func readConfigFile(path string) ([]byte, error) {
	if path == "" {
		return nil, errors.New("the path is empty: name a file with --config")
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, rootHint(err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w (make one with 'weft init' or 'weft join', or name it with --config)", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && path != os.DevNull {
		return nil, fmt.Errorf("%s is not a regular file: name one with --config", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxConfigLen+1))
	if err == nil && len(data) > maxConfigLen {
		err = fmt.Errorf("%s has more than %d bytes: it is hardly a configuration", path, maxConfigLen)
	}
	return data, err
}
