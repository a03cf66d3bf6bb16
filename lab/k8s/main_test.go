package k8s

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
)

// interrupted ends when somebody stops the tests: the labs that stand then are closed in order.
var interrupted context.Context

func TestMain(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	interrupted = ctx
	code := m.Run()
	stop()
	labtest.Remove()
	os.Exit(code)
}

// soon bounds what takes a second or so.
const soon = time.Minute

// within is a context for one step, which ends too when somebody stops the tests.
func within(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(interrupted, limit)
	t.Cleanup(cancel)
	return ctx
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testLab makes a lab, closed after what the test makes on it.
func testLab(t testing.TB) *lab.Lab {
	t.Helper()
	return labtest.Lab(interrupted, t, lab.Options{})
}
