package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/trust"
)

// Exposed is a file with a key that others than its owner may read or write.
type Exposed struct {
	Path string
	Mode fs.FileMode
}

func nodeKey(cfg *config.Config) string { return filepath.Join(cfg.StateDir, trust.IdentityFile) }

// exposed are those of the files that others may read or write. A file that is not there is not.
func exposed(paths ...string) (list []Exposed) {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			list = append(list, Exposed{path, info.Mode().Perm()})
		}
	}
	return list
}

// Unusable is a file that a key of the configuration names, and that weft cannot use.
type Unusable struct {
	Key string
	Err error
}

// unusable reads the files that say whom to trust. What only root may read is not judged.
func unusable(cfg *config.Config) (list []Unusable) {
	note := func(key string, err error) {
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			list = append(list, Unusable{key, err})
		}
	}
	_, err := trust.ReadSecrets(cfg.SecretFile)
	note("secret_file", err)
	if cfg.Authority != "" {
		_, err = trust.ReadAuthorityKeys(cfg.Authority)
		note("authority", err)
	}
	if cfg.Certificate != "" {
		_, err = trust.ReadCertificate(cfg.Certificate)
		note("certificate", err)
	}
	return list
}

// Directory is the state directory.
type Directory struct {
	Path string
	Err  error  // of writing a file in it; fs.ErrNotExist: it is made at the first start
	Free uint64 // bytes that are left on its file system
}

// lookAt writes a file that has no name, or that is removed at once where the file system knows none such.
func lookAt(path string) Directory {
	d := Directory{Path: path, Err: tryWrite(path)}
	var s unix.Statfs_t
	if unix.Statfs(path, &s) == nil {
		d.Free = s.Bavail * uint64(s.Bsize)
	}
	return d
}

// tryWrite writes a page: an empty file fits on a full disk.
func tryWrite(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	file, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_WRONLY, 0o600)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) {
		if file, err = os.CreateTemp(dir, ".doctor-"); err == nil {
			defer os.Remove(file.Name())
		}
	}
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, os.Getpagesize()))
	return errors.Join(err, file.Close())
}

// checkConfig looks at the file that the next start reads.
func checkConfig(f *Facts) []Check {
	switch {
	case f.ConfigErr != nil && f.Daemon != nil:
		return one("config", Warn, f.ConfigErr.Error()+"; weft runs on, but does not start again", "edit "+f.ConfigFile+", then try it with 'weft up --check'")
	case f.ConfigErr != nil:
		return one("config", Fail, f.ConfigErr.Error(), "edit "+f.ConfigFile+", then try it with 'weft up --check'")
	case f.Config == nil:
		return one("config", OK, f.ConfigFile+" is not there: this host is not set up yet ('weft init', or 'weft join')", "")
	}
	return one("config", OK, f.ConfigFile, "")
}

// checkFiles looks for keys that others may read, and for files that weft cannot use.
func checkFiles(f *Facts) (checks []Check) {
	if f.Config == nil {
		return nil
	}
	finding, effect := Fail, "weft does not start with it"
	if f.Daemon != nil {
		finding, effect = Warn, "weft runs on, but does not start again"
	}
	for _, u := range f.Unusable {
		checks = append(checks, one("secret", finding, fmt.Sprintf("%s: %s: %s", u.Key, strings.TrimPrefix(u.Err.Error(), "trust: "), effect),
			"'weft up --check' says what "+u.Key+" should name")...)
	}
	for _, e := range f.Exposed {
		checks = append(checks, mended("secret", finding, fmt.Sprintf("others than its owner may use %s (mode %#o): %s", e.Path, e.Mode, effect),
			"chmod 600 "+quoted(e.Path), "; if others are on this machine, replace what was in it: 'weft secret rotate', or 'weft key replace'")...)
	}
	if len(checks) == 0 {
		return one("secret", OK, "secret and node key are for their owner alone", "")
	}
	return checks
}

// leastFree is what the state directory needs, many times over, in bytes.
const leastFree = 1 << 20

func checkStateDir(f *Facts) []Check {
	d := f.State
	switch {
	case d.Path == "":
		return nil
	case errors.Is(d.Err, fs.ErrNotExist):
		return one("state-dir", OK, d.Path+" is not there yet: the first start makes it", "")
	case errors.Is(d.Err, unix.EROFS):
		return mended("state-dir", Warn, d.Path+" is on a read-only file system: "+forgotten,
			fmt.Sprintf("mount -o remount,rw \"$(stat -c %%m %s)\"", quoted(d.Path)), ", or set state_dir to a place that can be written")
	case errors.Is(d.Err, unix.ENOSPC), errors.Is(d.Err, unix.EDQUOT), d.Err == nil && d.Free < leastFree:
		return one("state-dir", Warn, fmt.Sprintf("the file system of %s is full (%d KiB left): %s", d.Path, d.Free>>10, forgotten),
			"make room: 'du -xh --max-depth=2 / | sort -h | tail' shows what takes it; 'journalctl --vacuum-size=200M' gives some back")
	case errors.Is(d.Err, fs.ErrPermission):
		return one("state-dir", Warn, fmt.Sprintf("%s cannot be written: %v", d.Path, d.Err), "run it as root: sudo weft doctor")
	case d.Err != nil:
		return one("state-dir", Warn, fmt.Sprintf("%s cannot be written (%v): %s", d.Path, d.Err, forgotten), "set state_dir to a directory that can be written")
	}
	return one("state-dir", OK, fmt.Sprintf("%s can be written, %d MiB are left", d.Path, d.Free>>20), "")
}

const forgotten = "a restart forgets what weft learns now"
