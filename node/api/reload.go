package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// PathReload makes the daemon read its configuration again, by POST. The answer is a Reload; 422 with one line of text says
// why the new configuration cannot be.
const PathReload = "/v1/reload"

// Reload is what a reload did.
type Reload struct {
	Changed []Change `json:"changed"`       // in force now
	Waiting []Change `json:"needs_restart"` // not in force before a restart
}

// Change is a key whose value in the configuration is not the one that was in force. Several values are joined by commas.
type Change struct {
	Key string `json:"key"`
	Old string `json:"old"`
	New string `json:"new"`
}

// String is the change as people read it.
func (c Change) String() string { return fmt.Sprintf("%s (%s -> %s)", c.Key, text(c.Old), text(c.New)) }

func text(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

// Changes are several in one line.
func Changes(list []Change) string {
	words := make([]string, len(list))
	for i, c := range list {
		words[i] = c.String()
	}
	return strings.Join(words, ", ")
}

// ErrRejected says that the daemon does not take what it was given, and goes on as before.
var ErrRejected = errors.New("not taken, and what runs is unchanged")

// rejectedError is what the daemon says of something that it does not take. It is ErrRejected.
type rejectedError string

func (e rejectedError) Error() string { return string(e) }

// Is reports whether target is ErrRejected.
func (e rejectedError) Is(target error) bool { return target == ErrRejected }

// Reload makes the daemon read its configuration again. An error that wraps ErrRejected says that it is wrong.
func (c *Client) Reload(ctx context.Context) (*Reload, error) {
	done, err := ask[*Reload](ctx, c, http.MethodPost, PathReload)
	if errors.Is(err, ErrRejected) {
		err = fmt.Errorf("not reloaded, and what runs is unchanged: %w", err)
	}
	return done, err
}
