package lab

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

const (
	ownerVariable = "WEFT_LAB_TEST_OWNER" // id of the lab that the re-executed test binary is to make
	ownerKeeps    = "WEFT_LAB_TEST_KEEPS" // not empty: the lab is one that may be kept
)

// playOwner makes a lab with processes of all kinds, prints their pids and waits: to be killed, or for the end of its input,
// when it keeps the lab.
func playOwner(id string, keep bool) error {
	l, err := New(context.Background(), Options{ID: id, Keep: keep})
	if err != nil {
		return err
	}
	a, err := l.Host("a")
	if err != nil {
		return err
	}
	p, err := a.Pod("p", prefixes("10.244.1.10/24"), 0)
	if err != nil {
		return err
	}
	if err := startForever(a.Namespace, p.Namespace); err != nil {
		return err
	}
	bufio.NewReader(os.Stdin).ReadString('\n')
	return l.Keep()
}

// startForever starts in each namespace a process, and one that has left its group and its parent.
func startForever(namespaces ...*Namespace) error {
	for _, n := range namespaces {
		p, err := n.Start("sleep", "1000")
		if err != nil {
			return err
		}
		out, err := n.Run(context.Background(), "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & echo $!")
		if err != nil {
			return err
		}
		fmt.Println(p.PID(), strings.TrimSpace(out))
	}
	fmt.Println("ready")
	return nil
}

// child is a re-executed test binary that owns a lab.
type child struct {
	id    string
	cmd   *exec.Cmd
	input interface{ Close() error }
	procs []proc // what runs in its lab
}

// startOwner starts a process that owns a lab, and waits until it is made.
func startOwner(t *testing.T, keep bool) *child {
	t.Helper()
	needLab(t)
	c := &child{id: randomID(), cmd: exec.Command(os.Args[0])}
	c.cmd.Env = append(os.Environ(), ownerVariable+"="+c.id)
	if keep {
		c.cmd.Env = append(c.cmd.Env, ownerKeeps+"=yes")
	}
	var err error
	if c.input, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		c.cmd.Wait()
		Remove(c.id)
	})
	lines := bufio.NewScanner(output)
	for lines.Scan() && lines.Text() != "ready" {
		c.note(t, lines.Text())
	}
	if lines.Text() != "ready" {
		t.Fatal("the owner did not make its lab")
	}
	return c
}

// note takes the pids of a line of the owner's.
func (c *child) note(t *testing.T, line string) {
	t.Helper()
	for _, field := range strings.Fields(line) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatalf("the owner says %q", line)
		}
		p, ok, err := findProc(pid)
		if err != nil || !ok {
			t.Fatalf("process %d of the owner: %v", pid, err)
		}
		c.procs = append(c.procs, p)
	}
}

// kill is kill -9.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

func (c *child) assertEnded(t *testing.T) {
	t.Helper()
	for _, p := range c.procs {
		if p.alive() {
			t.Errorf("process %d is left", p.PID)
		}
	}
}
