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

// ErrRejected says that the daemon cannot take the new configuration, and goes on with the one that it has.
var ErrRejected = errors.New("not reloaded, and what runs is unchanged")

// Reload makes the daemon read its configuration again. An error that wraps ErrRejected says that it is wrong.
func (c *Client) Reload(ctx context.Context) (*Reload, error) {
	return ask[*Reload](ctx, c, http.MethodPost, PathReload)
}
