package install

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"syscall"
)

// sums remembers the SHA-256 of files that have not changed since they were read, so that to look every few seconds costs a stat.
type sums map[string]stamped

// stamp changes when a file's contents do: the time of its last change cannot be set.
type stamp struct {
	device, inode uint64
	size          int64
	changed       syscall.Timespec
	mode          os.FileMode
}

type stamped struct {
	stamp
	sum string
}

// of is the SHA-256 of a regular file in hexadecimal digits, and its permissions. What is no regular file, a symbolic link too, has an
// empty sum. The error wraps fs.ErrNotExist where nothing is there.
func (s sums) of(path string) (sum string, mode os.FileMode, err error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", 0, err
	}
	if !info.Mode().IsRegular() {
		return "", info.Mode(), nil
	}
	now := stampOf(info)
	if known, ok := s[path]; ok && known.stamp == now {
		return known.sum, now.mode, nil
	}
	if sum, err = sumOf(path); err != nil {
		return "", 0, err
	}
	s[path] = stamped{now, sum}
	return sum, now.mode, nil
}

func stampOf(info os.FileInfo) stamp {
	s := stamp{size: info.Size(), mode: info.Mode()}
	if raw, ok := info.Sys().(*syscall.Stat_t); ok {
		s.device, s.inode, s.changed = uint64(raw.Dev), raw.Ino, raw.Ctim
	}
	return s
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func sumOfBytes(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}
