package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/weftnet/weft/mesh"
	"github.com/weftnet/weft/router"
)

const (
	// leavePatience is how long a stop waits for the mesh's farewell to go out.
	leavePatience = time.Second
	// pausePatience is how long a pause waits for an answer of the router's loops, which takes them microseconds.
	pausePatience = 100 * time.Millisecond
	// endPatience is how long a stop waits for the parts to end, and then for the router; together less than systemd waits
	// (TimeoutStopSec=15s), since the next process starts when this one has ended.
	endPatience = 5 * time.Second
)

// depart tells the others that this node stops.
//
// A process cannot know whether its service manager will start it again: SIGTERM comes for a restart, an upgrade and a stop
// alike. Where the descriptors stay behind, somebody means to go on with them, so the stop is taken for a restart: the peers
// are told of a pause. They keep path and routes; what they send waits in the sockets, and the new process calls them by
// itself. A goodbye would make them answer their applications that the destination is unreachable, and forget the path, for
// nothing: for as long as the process is away packets are lost either way. A stop that was not a restart is noticed 2 s
// later, when nobody answers. 'weft down', and a stop without such descriptors, say goodbye at once.
func (n *Node) depart() {
	n.service.Notify(daemon.SdNotifyStopping)
	if !n.handover.Keeps() {
		n.leave()
		return
	}
	n.noteSilent()
	n.router.Pause()
	n.log.Info("node.paused", "left", "device and port, for the next start")
}

// departFailed makes the end after a part failed with err a pause, as depart does: the service manager starts this node again
// at once. A node that was asked to stop, or that is a clone, does not come back.
func (n *Node) departFailed(err error) {
	clone := new(mesh.CloneError)
	if err == nil || errors.Is(err, errStopAsked) || errors.As(err, &clone) || !n.handover.Keeps() {
		return
	}
	n.noteSilent()
	n.router.Pause()
	n.log.Info("node.paused", "left", "device and port, for the next start", "error", err)
}

// leave tells the members that this node stops.
func (n *Node) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), leavePatience)
	defer cancel()
	if err := n.mesh.Leave(ctx); err != nil {
		n.log.Debug("node.leave.unheard", "error", err)
	}
}

// noteSilent says which loops of the router do not answer before a pause, which does not wait for them: what they hold is
// lost, and what comes to them until the process has ended waits.
func (n *Node) noteSilent() {
	ctx, cancel := context.WithTimeout(context.Background(), pausePatience)
	defer cancel()
	err := n.router.Pulse(ctx)
	if err == nil || errors.Is(err, router.ErrStopped) {
		return
	}
	if n.state.problem("pause", err.Error()) {
		n.log.Error("node.pause.silent", "error", err, "after", pausePatience)
		n.service.Notify(n.serviceStatus())
	}
}

// awaitEnd waits until something of the node has ended, and returns what it ended with, or an error if it does not end: one
// that hangs ends with the process.
func awaitEnd(what string, ended <-chan error) error {
	timer := time.NewTimer(endPatience)
	defer timer.Stop()
	select {
	case err := <-ended:
		return err
	case <-timer.C:
		return fmt.Errorf("node: stop: %s has not ended after %v: something in it hangs", what, endPatience)
	}
}
