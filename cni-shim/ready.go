package cnishim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/weftnet/weft/cni-shim/lease"
)

// How long the daemon is asked why there is no lease.
const (
	addPatience    = 200 * time.Millisecond
	statusPatience = 10 * time.Millisecond // STATUS as a whole answers within 20 ms
)

// leased returns the node's lease, or an error with the code given that says why there is none.
func leased(runDir string, code uint, patience time.Duration) (lease.Lease, error) {
	l, err := lease.Read(runDir)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, lease.ErrNone):
		return l, fail(code, "%s", reason(runDir, err, patience))
	case code == codeNotReady:
		return l, fail(code, "%v", err)
	}
	return l, fail(codeIO, "%v", err)
}

// reason says why there is no lease, as the daemon knows it. none is what was found instead of one.
func reason(runDir string, none error, patience time.Duration) string {
	socket := filepath.Join(runDir, socketName)
	s, err := ask(socket, patience)
	if err == nil {
		return s.reason()
	}
	return fmt.Sprintf("weft is not running on this node (%v, and %s): systemctl status weft", none, unanswered(socket, err))
}

func unanswered(socket string, err error) string {
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return "who listens on " + socket + " does not answer"
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
		return "nobody listens on " + socket
	}
	return socket + ": " + err.Error()
}

// socketName is the daemon's control socket in its run directory, and statusPath what it answers with its state (package node/api).
const (
	socketName = "weft.sock"
	statusPath = "/v1/status"
)

// status is the part of the daemon's state that tells why pods cannot start yet.
type status struct {
	Node struct {
		Name       string   `json:"name"`
		SubnetMode string   `json:"subnet_mode"`
		SubnetNote string   `json:"subnet_note"`
		Subnets    []string `json:"subnets"`
		Pods       struct {
			Reason string `json:"reason"` // why there is no lease
		} `json:"pods"`
	} `json:"node"`
}

func (s status) reason() string {
	n := s.Node
	switch {
	case n.Pods.Reason != "":
		return fmt.Sprintf("weft on node %s: %s", n.Name, n.Pods.Reason)
	case n.SubnetNote != "":
		return fmt.Sprintf("weft on node %s has no subnet for pods yet: %s", n.Name, n.SubnetNote)
	case len(n.Subnets) == 0:
		return fmt.Sprintf("weft on node %s has no subnet for pods yet (subnet: %s): weft status", n.Name, n.SubnetMode)
	}
	return fmt.Sprintf("weft on node %s runs and has not set its device and routes yet: weft status", n.Name)
}

// maxAnswer bounds what is read of the daemon's answer: 500 peers are half a megabyte.
const maxAnswer = 8 << 20

// ask asks the daemon for its state, in HTTP/1.0, where the end of the connection is that of the answer: so the plugin, which starts for
// every pod, carries no HTTP client.
func ask(socket string, patience time.Duration) (s status, err error) {
	conn, err := net.DialTimeout("unix", socket, patience)
	if err != nil {
		return s, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return s, err
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.0\r\nHost: weft\r\n\r\n", statusPath); err != nil {
		return s, err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	if err != nil {
		return s, err
	}
	head, body, _ := bytes.Cut(answer, []byte("\r\n\r\n"))
	first, _, _ := strings.Cut(string(head), "\r\n")
	if !strings.HasPrefix(first, "HTTP/1.") || !strings.Contains(first, " 200 ") {
		return s, fmt.Errorf("it answers %q", first)
	}
	return s, json.Unmarshal(body, &s)
}
