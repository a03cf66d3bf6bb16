package labtest

import (
	"context"
	"testing"

	"github.com/weftnet/weft/lab"
)

// Lab makes a lab that is closed with the test, or skips with the reason why this machine can have none. It makes none when ctx
// has ended, which ends when somebody stops the tests.
func Lab(ctx context.Context, t testing.TB, o lab.Options) *lab.Lab {
	t.Helper()
	if err := ctx.Err(); err != nil {
		t.Fatal(err)
	}
	if err := lab.Available(); err != nil {
		t.Skip(err)
	}
	l, err := lab.New(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	return l
}

// Host adds a host to a lab.
func Host(t testing.TB, l *lab.Lab, name string) *lab.Host {
	t.Helper()
	h, err := l.Host(name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
