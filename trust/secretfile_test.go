package trust

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// one, two and three are secrets.
var one, two, three = Secret{1}, Secret{2}, Secret{3}

func TestASecretFileHoldsOneOrTwoSecretsAndRemarks(t *testing.T) {
	for text, want := range map[string][]Secret{
		one.Text():                     {one},
		one.Text() + "\n" + two.Text(): {one, two},
		"\ufeff# ours\r\n\r\n" + two.Text() + "\r\n":            {two},
		"# new\n " + two.Text() + " \n\n# old\n" + one.Text():   {two, one},
		one.Text() + "\n#" + two.Text() + "\n# taken out\n\n\n": {one},
	} {
		f, err := ReadSecrets(writeFile(t, text, 0o600))
		if err != nil || !slices.Equal(f.Secrets, want) {
			t.Errorf("%d lines: %d secrets, %v", strings.Count(text, "\n"), len(want), err)
		}
	}
}

func TestASecretFileIsRefusedByTheLineThatIsWrongAndNeverQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "it is empty",
		"# nothing\n":                    "it is empty",
		Secret{}.Text():                  "it holds zeros alone",
		one.Text() + "\n\n" + one.Text(): "line 3: not a cluster secret: it is the secret above once more",
		one.Text() + "\n" + two.Text() + "\n# x\n" + three.Text(): "line 4: not a cluster secret: it is one too many",
		one.Text() + "\n" + two.Text()[:20]:                       "line 2: not a cluster secret: it has 20 characters",
		"junk":                                                    "not a cluster secret: it has 4 characters",
	} {
		path := writeFile(t, text, 0o600)
		_, err := ReadSecrets(path)
		if !errors.Is(err, ErrSecret) || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
			continue
		}
		for _, s := range []Secret{one, two, three} {
			if strings.Contains(err.Error(), s.Text()[:20]) {
				t.Errorf("the error shows a secret: %v", err)
			}
		}
	}
}

func TestSecretsAreReplacedWhereTheyAreAndRemarksStay(t *testing.T) {
	path := writeFile(t, "# of the office\n\n"+one.Text()+"\n# ask Ada\n", 0o400)
	for _, step := range []struct {
		before, after []Secret
		want          string
	}{
		{[]Secret{one}, []Secret{one, two}, "# of the office\n\n" + one.Text() + "\n# ask Ada\n" + two.Text() + "\n"},
		{[]Secret{one, two}, []Secret{two, one}, "# of the office\n\n" + two.Text() + "\n# ask Ada\n" + one.Text() + "\n"},
		{[]Secret{two, one}, []Secret{two}, "# of the office\n\n" + two.Text() + "\n# ask Ada\n"},
	} {
		if err := ReplaceSecrets(path, step.before, step.after); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != step.want {
			t.Errorf("the file holds %d bytes, want %d, %v", len(got), len(step.want), err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("permissions %v, %v", info.Mode(), err)
	}
}

func TestAFileWithOtherSecretsOrOfSomebodyElseIsLeftAlone(t *testing.T) {
	path := writeFile(t, one.Text()+"\n", 0o600)
	if err := ReplaceSecrets(path, []Secret{two}, []Secret{three}); !errors.Is(err, ErrSecretsChanged) {
		t.Errorf("error %v, want ErrSecretsChanged", err)
	}
	link := filepath.Join(t.TempDir(), "secret")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := ReplaceSecrets(link, []Secret{one}, []Secret{two}); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("error %v, want one that names the link", err)
	}
	if f, err := ReadSecrets(path); err != nil || !slices.Equal(f.Secrets, []Secret{one}) {
		t.Errorf("the file was changed: %v", err)
	}
}

// A file that is there keeps its mode when it is replaced, so the new secret would be as open as the old one.
func TestNoSecretIsWrittenWhereOthersMayReadIt(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		path := writeFile(t, one.Text()+"\n", 0o600)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := ReplaceSecrets(path, []Secret{one}, []Secret{two}); err == nil || !strings.Contains(err.Error(), path+": others") {
			t.Errorf("mode %o: error %v, want one that names the file", mode, err)
		}
		if f, err := ReadSecrets(path); err != nil || !slices.Equal(f.Secrets, []Secret{one}) {
			t.Errorf("mode %o: the file was changed: %v", mode, err)
		}
	}
}

func TestTheNameOfASecretIsThatOfItsCluster(t *testing.T) {
	if Secret(count).ID() != Secret(count).Derive().ClusterID || Secret(count).ID().Short() != "5ec72947" {
		t.Errorf("named %s", Secret(count).ID().Short())
	}
}
