package cri

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"text/template"

	"github.com/weftnet/weft/lab"
)

//go:embed config/containerd.toml
var containerdConfig string

// Containerd is a containerd on a machine of its own, with the image that WriteImage makes. Its containers outlive it, as they do
// elsewhere, and end with the machine.
type Containerd struct {
	machine *Machine
	process *lab.Process
}

// StartContainerd configures a machine's containerd, starts it and gives it the image of a file below the lab's directory.
func StartContainerd(ctx context.Context, m *Machine, image string) (*Containerd, error) {
	c := &Containerd{machine: m}
	text, err := template.New("containerd.toml").Parse(containerdConfig)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := text.Execute(&out, struct{ PauseImage string }{PauseImage}); err != nil {
		return nil, err
	}
	if err := m.WriteFile("/etc/containerd/config.toml", out.Bytes(), 0o644); err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	return c, c.poll(ctx, "ctr", "--namespace", "k8s.io", "images", "import", image)
}

// Process is what Start started last.
func (c *Containerd) Process() *lab.Process { return c.process }

// Start starts containerd and does not wait until it answers.
func (c *Containerd) Start() (err error) {
	c.process, err = c.machine.Start("containerd")
	return err
}

// Stop ends it in order.
func (c *Containerd) Stop(ctx context.Context) error { return c.machine.Terminate(ctx, c.process) }

// Kill ends it with SIGKILL and waits for its end.
func (c *Containerd) Kill(ctx context.Context) error {
	c.process.Kill()
	err := c.process.Wait(ctx)
	if exit := new(lab.ExitError); errors.As(err, &exit) {
		return nil // by the signal
	}
	return err
}

// poll runs a program on the machine until it succeeds, while containerd runs.
func (c *Containerd) poll(ctx context.Context, args ...string) error {
	return Poll(ctx, func() error {
		if Ended(c.process) {
			return Hopeless(fmt.Errorf("cri: containerd of %s has ended: %s", c.machine.Name(), LastLines(c.process, 3)))
		}
		_, err := c.machine.Run(ctx, args...)
		if err != nil {
			err = fmt.Errorf("cri: %s: %w", filepath.Base(args[0]), err)
		}
		return err
	})
}
