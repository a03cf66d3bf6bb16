package cri

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/weftnet/weft/lab"
)

// socket is where containerd listens, on the machine.
const socket = "unix:///run/containerd/containerd.sock"

// Crictl finds crictl: the one that crictl/build.sh has built, at its version, or else one in PATH.
func Crictl() (string, error) {
	cache, err := os.UserCacheDir()
	if err == nil {
		built, _ := filepath.Glob(filepath.Join(cache, "weft", "crictl-v*[0-9]"))
		if len(built) > 0 {
			return built[len(built)-1], nil
		}
	}
	path, err := exec.LookPath("crictl")
	if err != nil {
		return "", fmt.Errorf("%w: crictl is missing: scripts/setup.sh --all", ErrUnavailable)
	}
	return path, nil
}

// Runtime is a machine with containerd and what asks it for pods.
type Runtime struct {
	*Machine
	Containerd *Containerd
	crictl     string
}

// NewRuntime boots a machine on a host and starts containerd there. Close it before the lab.
func NewRuntime(ctx context.Context, host *lab.Host) (*Runtime, error) {
	crictl, err := Crictl()
	if err != nil {
		return nil, err
	}
	m, err := Boot(ctx, host)
	if err != nil {
		return nil, err
	}
	r := &Runtime{Machine: m, crictl: crictl}
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return r, nil
}

// start makes the image and the containerd that has it.
func (r *Runtime) start(ctx context.Context) (err error) {
	image := filepath.Join(r.dir, "image.tar")
	if err := WriteImage(image); err != nil {
		return err
	}
	if r.Containerd, err = StartContainerd(ctx, r.Machine, image); err != nil {
		return err
	}
	return r.Await(ctx)
}

// Await waits until containerd answers CRI, as it does some time after its start.
func (r *Runtime) Await(ctx context.Context) error {
	return r.Containerd.poll(ctx, append(r.command(), "pods", "--quiet")...)
}

// command is crictl with what all of its calls have.
func (r *Runtime) command() []string {
	return []string{r.crictl, "--runtime-endpoint", socket, "--image-endpoint", socket, "--timeout", "2m"}
}

// Ask calls crictl and returns what it prints.
func (r *Runtime) Ask(ctx context.Context, args ...string) (string, error) {
	out, err := r.Run(ctx, append(r.command(), args...)...)
	return strings.TrimSpace(out), err
}

// Sandboxes are the IDs of all pods that containerd knows.
func (r *Runtime) Sandboxes(ctx context.Context) ([]string, error) {
	out, err := r.Ask(ctx, "pods", "--quiet", "--no-trunc")
	return strings.Fields(out), err
}
