package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/weftnet/weft/node/config"
	"github.com/weftnet/weft/node/statedir"
	"github.com/weftnet/weft/trust"
)

// hostileFiles makes files in dir that are not what anybody would name in a configuration, and returns what an error about each
// says.
func hostileFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.Mkdir(at("directory"), 0o700))
	must(t, syscall.Mkfifo(at("pipe"), 0o600))
	must(t, os.Symlink("loop", at("loop")))
	must(t, os.WriteFile(at("file"), nil, 0o600))
	must(t, os.WriteFile(at("long"), nil, 0o600))
	must(t, os.Truncate(at("long"), 100<<20))
	return map[string]string{
		at("directory"): "it is a directory, not a file", at("pipe"): "it is not a regular file", "/dev/zero": "it is not a regular file",
		at("loop"): "too many levels of symbolic links", at("file/below"): "not a directory", at("long"): "it has more than",
		at("absent"): "no such file or directory",
	}
}

// checkOneLine fails the test unless err is one line that begins with the place and path, once, and holds the reason and what to do.
func checkOneLine(t *testing.T, err error, begin, path, reason string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: accepted", path)
		return
	}
	text := err.Error()
	if !strings.HasPrefix(text, begin+path+": ") || strings.Count(text, path) != 1 || !strings.Contains(text, reason) || strings.Contains(text, "\n") {
		t.Errorf("%s: %q, want it to begin with %q and to say %q", path, text, begin, reason)
	}
	if !strings.HasSuffix(text, ")") {
		t.Errorf("%s: %q does not say what to do", path, text)
	}
}

func TestFilesThatAreNoneAreRefusedInOneLineWithPlaceReasonAndRemedy(t *testing.T) {
	for path, reason := range hostileFiles(t, t.TempDir()) {
		cfg := config.Default()
		err := cfg.ReadFile(path)
		checkOneLine(t, err, "", path, reason)
		for place, begin := range map[string]string{"weft.yaml: line 3": "weft.yaml: line 3: secret_file: ", "--secret-file": "--secret-file: "} {
			cfg := config.Default()
			cfg.SecretFile = path
			cfg.Given("secret_file", place)
			_, err := readSecret(&cfg)
			if !errors.Is(err, config.ErrConfig) {
				t.Errorf("%v is no error of the configuration", err)
			}
			checkOneLine(t, withoutRooms(err), begin, path, reason)
		}
	}
}

// withoutRooms is an error as the command line shows it, without the names of rooms.
func withoutRooms(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(strings.NewReplacer("trust: ", "", "node: ", "", "statedir: ", "").Replace(err.Error()))
}

func TestASecretThatIsNoneIsRefusedWithWhatItIsAndTheFormThatIsWanted(t *testing.T) {
	whole := trust.Secret{1, 2, 3}.Text()
	for text, want := range map[string]string{
		"": "it is empty", "\n\n": "it is empty", "junk": "it has 4 characters", whole[:20]: "it has 20 characters",
		strings.Repeat("0a", 32): "it has 64 characters", whole + "\n" + whole: "line 2: not a cluster secret: it is the secret above once more",
		"# my secret": "it is empty", strings.Repeat("*", 44): "it is not base64",
		"weft1.abcdef": "it is a token, which is for 'weft join'",
	} {
		cfg := config.Default()
		cfg.SecretFile = filepath.Join(t.TempDir(), "secret")
		must(t, os.WriteFile(cfg.SecretFile, []byte(text), 0o600))
		_, err := readSecret(&cfg)
		checkOneLine(t, withoutRooms(err), "secret_file: ", cfg.SecretFile, want)
		if err != nil && !strings.Contains(err.Error(), "one line of 44 characters") && !strings.Contains(err.Error(), "leave one of them out") {
			t.Errorf("%q does not say how a secret looks", err)
		}
	}
	for _, text := range []string{whole, whole + "\r\n", "# ours\n" + whole, "\ufeff" + whole + "\n", strings.TrimRight(whole, "=")} {
		cfg := config.Default()
		cfg.SecretFile = filepath.Join(t.TempDir(), "secret")
		must(t, os.WriteFile(cfg.SecretFile, []byte(text), 0o600))
		if _, err := readSecret(&cfg); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestStateFilesThatAreNoneAreRefusedInOneLineAndNotTouched(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"loop":      func(path string) error { return os.Symlink(filepath.Base(path), path) },
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, statedir.EpochFile)
		must(t, spoil(file))
		before, err := os.Lstat(file)
		must(t, err)
		_, _, err = statedir.NextEpoch(dir, before.ModTime())
		checkOneLine(t, withoutRooms(err), "read epoch: ", file, "")
		key := filepath.Join(dir, trust.IdentityFile)
		must(t, spoil(key))
		_, _, err = trust.LoadIdentity(dir, nil)
		checkOneLine(t, withoutRooms(err), "read node key: ", key, "")
		if after, err := os.Lstat(file); err != nil || after.Mode() != before.Mode() || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it was touched: %v", name, err)
		}
	}
}
