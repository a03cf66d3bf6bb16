package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://weft"+PathReload, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask the daemon at %s: %w", c.socket, err)
	case resp.StatusCode == http.StatusUnprocessableEntity:
		return nil, fmt.Errorf("%w: %s", ErrRejected, strings.TrimSpace(string(body)))
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("the daemon at %s is of a version that cannot reload: restart it", c.socket)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the daemon at %s answered %s: %s", c.socket, resp.Status, strings.TrimSpace(string(body)))
	}
	answer := new(Reload)
	if err := json.Unmarshal(body, answer); err != nil {
		return nil, fmt.Errorf("the daemon at %s answered what this weft does not understand: %w", c.socket, err)
	}
	return answer, nil
}
