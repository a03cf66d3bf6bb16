package measure

import (
	"os"
	"testing"
	"time"
)

func TestIdleTimeIsThatOfTheProcessAlone(t *testing.T) {
	before, _, err := ran([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	const work = 50 * time.Millisecond
	var after time.Duration
	for begun := time.Now(); time.Since(begun) < 10*time.Second && after-before < work; { // spins
		if after, _, err = ran([]int{os.Getpid()}); err != nil {
			t.Fatal(err)
		}
	}
	if after-before < work {
		t.Errorf("%v of work were counted as %v", work, after-before)
	}
	if _, _, err := ran([]int{1 << 30}); err == nil {
		t.Error("a process that is not there has used some time")
	}
}
