package ipam

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The test binary is a worker process where these say so: the state directory, the worker's name and what it does.
const (
	workerDir  = "WEFT_IPAM_TEST_DIR"
	workerName = "WEFT_IPAM_TEST_NAME"
	workerWork = "WEFT_IPAM_TEST_WORK"
)

// quick are the options of all these processes: time goes a hundred times as fast, so that addresses come back while they work.
var quick = Options{BootID: boot, Uptime: func() time.Duration { return 100 * sinceBoot() }}

func TestMain(m *testing.M) {
	if dir := os.Getenv(workerDir); dir != "" {
		if err := work(dir, os.Getenv(workerName), os.Getenv(workerWork)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// work reserves once, or reserves and releases until somebody kills it, and says on the standard output what was done.
func work(dir, name, what string) error {
	b, err := Open(dir, quick)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		r := request(fmt.Sprint(name, "-", i), "10.0.0.0/16", "fd00::/64")
		got, _, err := b.Reserve(context.Background(), r)
		for errors.As(err, new(*BusyError)) { // of a slow machine
			got, _, err = b.Reserve(context.Background(), r)
		}
		if err != nil {
			return err
		}
		fmt.Println("+", got.Container, joined(got.Addresses))
		if what == "once" {
			return nil
		}
		if i%3 == 0 { // a third stays
			continue
		}
		if _, held, err := b.Release(context.Background(), r.Key); err != nil || !held {
			return fmt.Errorf("release %s: %v %w", r.Key, held, err)
		}
		fmt.Println("-", got.Container)
	}
}

func worker(ctx context.Context, dir, name, what string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), workerDir+"="+dir, workerName+"="+name, workerWork+"="+what)
	cmd.Stderr = os.Stderr
	return cmd
}

// heldAddresses are all addresses that are held; a duplicate is an error.
func heldAddresses(t *testing.T, b *Book) map[netip.Addr]string {
	t.Helper()
	records, err := b.Records()
	must(t, err)
	holders := map[netip.Addr]string{}
	for _, r := range records {
		for _, a := range r.Addresses {
			if other, twice := holders[a]; twice && r.State == Held {
				t.Errorf("%s is held by %s and by %s", a, r.Container, other)
			}
			holders[a] = r.Container
		}
	}
	return holders
}

func TestTwoHundredProcessesAtOnceGetDifferentAddressesAndLeakNone(t *testing.T) {
	const processes = 200
	dir := memory(t)
	var wg sync.WaitGroup
	for i := range processes {
		wg.Go(func() {
			if err := worker(t.Context(), dir, fmt.Sprint("w", i), "once").Run(); err != nil {
				t.Errorf("worker %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	b := open(t, dir, quick)
	if n := len(heldAddresses(t, b)); n != 2*processes {
		t.Errorf("%d addresses are held, want %d", n, 2*processes)
	}
	if released := releaseAll(t, b); len(released) != processes {
		t.Errorf("released %d", len(released))
	}
	wantFiles(t, b)
}

// releaseAll releases what anybody holds.
func releaseAll(t *testing.T, b *Book) []Record {
	t.Helper()
	records, err := b.Records()
	must(t, err)
	var keys []Key
	for _, r := range records {
		keys = append(keys, r.Key)
	}
	released, err := b.ReleaseAll(t.Context(), keys)
	must(t, err)
	return released
}

// wantFiles wants nothing in the book's folder but the book and its lock.
func wantFiles(t *testing.T, b *Book) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(b.Path()))
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, []string{File, LockFile}) {
		t.Errorf("the folder holds %v", names)
	}
}

// killed runs a worker until it has said n lines, kills it wherever it is by then, and returns all that it said. What it did last it may
// not have said any more.
func killed(t *testing.T, dir, name string, n int) (said []string) {
	cmd := worker(t.Context(), dir, name, "many")
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		t.Errorf("start %s: %v", name, err)
		return nil
	}
	lines := bufio.NewScanner(out)
	for len(said) < n && lines.Scan() {
		said = append(said, lines.Text())
	}
	if err := cmd.Process.Kill(); err != nil || len(said) < n {
		t.Errorf("%s ended by itself after %d lines: %v", name, len(said), err)
	}
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	cmd.Wait() // it was killed
	return said
}

// wantSaid wants of a worker's attachments those held that it said it has, and at most one change more.
func wantSaid(t *testing.T, b *Book, name string, said []string) {
	t.Helper()
	want := map[string]bool{}
	for _, line := range said {
		if f := strings.Fields(line); f[0] == "+" {
			want[f[1]] = true
		} else {
			delete(want, f[1])
		}
	}
	records, err := b.Records()
	must(t, err)
	got := map[string]bool{}
	for _, r := range records {
		if r.State == Held && strings.HasPrefix(r.Container, name+"-") {
			got[r.Container] = true
		}
	}
	differ := 0
	for c := range want {
		if !got[c] {
			differ++
		}
	}
	for c := range got {
		if !want[c] {
			differ++
		}
	}
	if differ > 1 {
		t.Errorf("%s holds %v, and said %v", name, got, want)
	}
}

func TestProcessesThatAreKilledAnywhereDamageNothingAndLeaveNothingAfterGC(t *testing.T) {
	dir := memory(t)
	b := open(t, dir, quick)
	changes := 0
	for round := 0; changes < 1000; round++ {
		var said [3][]string
		var wg sync.WaitGroup
		for i := range said {
			wg.Go(func() { said[i] = killed(t, dir, fmt.Sprintf("r%dw%d", round, i), rand.IntN(60)) })
		}
		wg.Wait()
		heldAddresses(t, b)
		for i, lines := range said {
			wantSaid(t, b, fmt.Sprintf("r%dw%d", round, i), lines)
			changes += len(lines)
		}
		wantNothingAfterGC(t, b)
		if t.Failed() {
			return
		}
	}
}

// wantNothingAfterGC collects what no attachment has any more, which is all, and wants no address held after that and no file left.
func wantNothingAfterGC(t *testing.T, b *Book) {
	t.Helper()
	reserve(t, b, request("last", "10.0.0.0/16", "fd00::/64"))
	releaseAll(t, b)
	records, err := b.Records()
	must(t, err)
	if i := slices.IndexFunc(records, func(r Record) bool { return r.State == Held }); i >= 0 {
		t.Errorf("%+v is still held", records[i])
	}
	wantFiles(t, b)
}
