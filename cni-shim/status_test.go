package cnishim

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mounted gives the node a state directory of its own file system of 64 KiB, on which lines are run as DIR.
func (s *site) mounted() (run func(lines string)) {
	s.t.Helper()
	dir := s.stateDir
	run = func(lines string) {
		s.t.Helper()
		cmd := exec.Command("sh", "-ec", lines)
		cmd.Env = append(os.Environ(), "DIR="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Fatalf("%s: %v: %s", lines, err, out)
		}
	}
	run("mount -t tmpfs -o size=64k none $DIR")
	s.t.Cleanup(func() { run("umount $DIR") })
	return run
}

func TestAStateDirectoryThatCannotBeWrittenIsSaidByADDAndSTATUSAndLetsPodsGo(t *testing.T) {
	s := newSite(t)
	run := s.mounted()
	for what, c := range map[string]struct{ damage, repair, named string }{
		"full":      {"dd if=/dev/zero of=$DIR/other bs=1k 2>/dev/null || true", "rm $DIR/other", "no space left on device"},
		"read-only": {"mount -o remount,ro $DIR", "mount -o remount,rw $DIR", "read-only file system"},
	} {
		_, one := s.add("one", newSpace(t))
		run(c.damage)
		for operation, code := range map[string]uint{"ADD": codeIO, "STATUS": codeNotReady} {
			_, err := s.try(s.pod("two", newSpace(t)).as(operation))
			if err == nil || err.Code != code || !strings.Contains(err.Msg, c.named) || !strings.Contains(err.Msg, s.stateDir) {
				t.Errorf("%s: %s: %v", what, operation, err)
			}
		}
		s.must(one.as("CHECK"))
		s.must(one.as("DEL"))
		if left := s.left(); left != "record one/eth0\n" {
			t.Errorf("%s: left:\n%s", what, left)
		}
		run(c.repair)
		s.must(one.as("STATUS"))
		s.must(one.as("DEL"))
		if left := s.left(); left != "" {
			t.Errorf("%s, and repaired: left:\n%s", what, left)
		}
	}
}

func TestABookThatIsNotThereYetCanBeWrittenWhereItsFolderCanBeMade(t *testing.T) {
	if err := writable(filepath.Join(t.TempDir(), "some", "where", "book")); err != nil {
		t.Error(err)
	}
	if err := writable("/proc/sys/some/where"); err == nil {
		t.Error("below /proc/sys a book could be written")
	}
}
