package labtest

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/weftnet/weft/lab"
)

// interrupted ends when somebody stops the tests that Main runs.
var interrupted = context.Background()

// Main runs the tests of a package that makes labs, removes what Weft built, and ends the process: all that such a package's TestMain
// does. When somebody stops the tests (SIGINT, SIGTERM), the contexts of Within end, so that labs are closed in order.
func Main(m *testing.M) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	interrupted = ctx
	code := m.Run()
	stop()
	Remove()
	os.Exit(code)
}

// Within is a context for one step of a test below Main.
func Within(t testing.TB, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(interrupted, limit)
	t.Cleanup(cancel)
	return ctx
}

// Own is Lab for a test below Main: it is closed after what the test makes on it.
func Own(t testing.TB) *lab.Lab {
	t.Helper()
	return Lab(interrupted, t, lab.Options{})
}

// Check ends the test if there is an error.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
