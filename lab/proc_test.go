package lab

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const statTail = " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"

func TestStatOfAnyProgramNameIsRead(t *testing.T) {
	for _, name := range []string{"sleep", "a b", "a) R 1 2", "(((", ""} {
		state, start, err := parseStat([]byte("77 (" + name + ")" + statTail))
		if state != 'S' || start != 4711 || err != nil {
			t.Errorf("%q: %c, %d, %v", name, state, start, err)
		}
	}
	if _, _, err := parseStat([]byte(strings.TrimSuffix("77 (x)"+statTail, " 4711 20"))); err == nil {
		t.Error("a line that is cut short was read")
	}
}

func TestThisProcessIsAlive(t *testing.T) {
	p, ok, err := findProc(os.Getpid())
	if err != nil || !ok || !p.alive() {
		t.Errorf("%+v, %v, %v", p, ok, err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("77 (x)" + statTail))
	f.Fuzz(func(t *testing.T, raw []byte) { parseStat(raw) })
}

func TestAThreadWithTheNumberOfAnEarlierProcessIsNone(t *testing.T) {
	number, done := make(chan int), make(chan struct{})
	defer close(done)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		number <- unix.Gettid()
		<-done
	}()
	tid := <-number
	if tid == os.Getpid() {
		t.Skip("it is the first thread, whose number is the process's")
	}
	if err := (proc{PID: tid, Start: 1}).kill(time.Now().Add(time.Second)); err != nil {
		t.Error(err)
	}
}
