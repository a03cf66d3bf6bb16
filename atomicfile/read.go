package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Read reads a whole file of at most max bytes. It never waits and never fills the memory: what is no regular file (a pipe
// that nobody writes to, a device without end) and what is longer is refused. The error is one line that begins with the path;
// it wraps fs.ErrNotExist or fs.ErrPermission where one of these is the reason.
func Read(path string, max int) ([]byte, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		err = readable(info, max)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	var data bytes.Buffer
	data.Grow(int(info.Size()) + bytes.MinRead)
	_, err = data.ReadFrom(io.LimitReader(f, int64(max)+1))
	if err == nil && data.Len() > max { // it grew, or lies in /proc
		err = tooLong(max)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, cause(err))
	}
	return data.Bytes(), info, nil
}

func readable(info fs.FileInfo, max int) error {
	switch {
	case info.IsDir():
		return errors.New("it is a directory, not a file")
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	case info.Size() > int64(max):
		return tooLong(max)
	}
	return nil
}

func tooLong(max int) error {
	return fmt.Errorf("it has more than %d bytes: it is hardly the file that is meant", max)
}
