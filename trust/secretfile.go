package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/weftnet/weft/atomicfile"
)

// SecretFile is a file with the secrets that a node holds: one, or two while its cluster goes from one to the next, each in a line
// of its own. The node speaks under the first, and takes what is under any. Blank lines, and lines that begin with #, are for people.
type SecretFile struct {
	Secrets []Secret  // 1 to MaxSecrets, all different
	Exposed bool      // others than the owner may read the file
	Changed time.Time // when its contents were changed last

	lines []string
}

// maxSecretFile is far more than two secrets with comments around them have.
const maxSecretFile = 4 << 10

// ReadSecrets reads the secrets in a file, which must be a regular one. Errors name the file, and wrap ErrSecret where its contents are
// to blame.
func ReadSecrets(path string) (*SecretFile, error) {
	text, info, err := atomicfile.Read(path, maxSecretFile)
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	f, err := ParseSecrets(string(text))
	if err != nil {
		return nil, fmt.Errorf("trust: %s: %w", path, err)
	}
	f.Exposed, f.Changed = info.Mode().Perm()&0o077 != 0, info.ModTime()
	return f, nil
}

// ReadSecretFile reads the first secret of a file: the one to speak under. Its errors are those of ReadSecrets.
func ReadSecretFile(path string) (s Secret, exposed bool, err error) {
	f, err := ReadSecrets(path)
	if err != nil {
		return Secret{}, false, err
	}
	return f.Secrets[0], f.Exposed, nil
}

// ParseSecrets reads the text of a secret file. The error wraps ErrSecret and never holds any of the text; of a text with several lines
// that mean something it names the line.
func ParseSecrets(text string) (*SecretFile, error) {
	f := &SecretFile{lines: strings.Split(strings.TrimPrefix(text, byteOrderMark), "\n")}
	meant := slices.DeleteFunc(slices.Clone(f.lines), isRemark)
	if len(meant) == 0 {
		_, err := ParseSecret("")
		return nil, err
	}
	for i, line := range f.lines {
		if isRemark(line) {
			continue
		}
		if err := f.take(line); err != nil && len(meant) > 1 {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		} else if err != nil {
			return nil, err
		}
	}
	return f, nil
}

// take adds the secret in a line.
func (f *SecretFile) take(line string) error {
	s, err := ParseSecret(line)
	switch {
	case err != nil:
		return err
	case slices.Contains(f.Secrets, s):
		return fmt.Errorf("%w: it is the secret above once more (leave one of them out)", ErrSecret)
	case len(f.Secrets) == MaxSecrets:
		return fmt.Errorf("%w: it is one too many (a file holds %d at most: the one in use, and the one before or after it)", ErrSecret, MaxSecrets)
	}
	f.Secrets = append(f.Secrets, s)
	return nil
}

// isRemark reports whether a line of a secret file is for people only.
func isRemark(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || strings.HasPrefix(line, "#")
}

// Keys are those of the secrets, in order.
func (f *SecretFile) Keys() []Keys {
	list := make([]Keys, len(f.Secrets))
	for i, s := range f.Secrets {
		list[i] = s.Derive()
	}
	return list
}

// text is the file with other secrets in it: they take the lines of those before, and what else is there stays.
func (f *SecretFile) text(secrets []Secret) string {
	var lines []string
	for _, line := range f.lines {
		if isRemark(line) {
			lines = append(lines, line)
		} else if len(secrets) > 0 {
			lines, secrets = append(lines, secrets[0].Text()), secrets[1:]
		}
	}
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	for _, s := range secrets {
		lines = append(lines, s.Text())
	}
	return strings.Join(lines, "\n") + "\n"
}

// ErrSecretsChanged says that a secret file does not hold what it was believed to.
var ErrSecretsChanged = errors.New("it was changed meanwhile")

// ReplaceSecrets puts other secrets into a file that holds those of before, and keeps what else is in it: as a whole or not at all. A
// file that holds others is left alone, and so is one that is a symbolic link, for somebody else looks after it, and one that others
// than its owner may use, who would have the new secret too.
func ReplaceSecrets(path string, before, after []Secret) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return fmt.Errorf("trust: %s: it is a symbolic link, and is changed by whoever made that", path)
	}
	f, err := ReadSecrets(path)
	if err != nil {
		return err
	}
	if f.Exposed {
		return fmt.Errorf("trust: %s: others than its owner may read or write it (chmod 600 it)", path)
	}
	if !slices.Equal(f.Secrets, before) {
		return fmt.Errorf("trust: %s: %w", path, ErrSecretsChanged)
	}
	if err := atomicfile.Write(path, []byte(f.text(after)), 0o600); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	return nil
}
