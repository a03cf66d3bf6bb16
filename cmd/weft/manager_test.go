package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// managerEnv makes this test binary a service manager, in place of running tests: see runManager.
const managerEnv = "WEFT_TEST_SERVICE_MANAGER"

// manager does for one service what systemd does: it starts it and, when it ends, starts it again; and it keeps its
// descriptors in between (sd_notify(3): FDSTORE, FDNAME, FDSTOREREMOVE, BARRIER; sd_listen_fds(3)). It is a process of its own,
// so that the daemon's process group and namespace are the lab's.
type manager struct {
	socket *net.UnixConn
	path   string // of socket

	mu    sync.Mutex // guards store
	store []storedFD // in the order in which they came
}

// storedFD is a descriptor that Go's poller does not know: it would be told of every packet.
type storedFD struct {
	name string
	fd   int
}

// runManager is the manager's main. Its arguments are the directory of its socket, and then the service's after the program.
// Each line of standard input is a command: "start PROGRAM", "stop SIGNAL", "restart SIGNAL PROGRAM"; "plain" before PROGRAM means
// that the service has no manager that keeps descriptors; "end SIGNAL" is the first half of a restart.
func runManager(args []string) error {
	runtime.LockOSThread() // with whose end the service would be killed (PR_SET_PDEATHSIG)
	m, err := newManager(args[0])
	if err != nil {
		return err
	}
	go m.listen()
	var service *exec.Cmd
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if words[0] != "start" {
			stop(service, words[1])
		}
		switch words[0] {
		case "stop":
			m.release()
			continue
		case "end":
			continue
		}
		plain := words[1] == "plain" || len(words) > 2 && words[2] == "plain"
		if service, err = m.start(plain, words[len(words)-1], args[1:]); err != nil {
			return err
		}
	}
	return lines.Err()
}

func newManager(dir string) (*manager, error) {
	m := &manager{path: filepath.Join(dir, "notify")}
	var err error
	m.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	return m, err
}

// restartPause is RestartSec= of the unit: it counts for a service that ended by itself, as one that was killed.
const restartPause = 10 * time.Millisecond

// stop ends the service by a signal's name and waits for its end.
func stop(service *exec.Cmd, signal string) {
	sig := unix.SignalNum(signal)
	_ = service.Process.Signal(sig) // it may have ended
	_ = service.Wait()              // by a signal, or with its own status
	if sig == unix.SIGKILL {
		time.Sleep(restartPause)
	}
}

// start starts the service with all that is stored.
func (m *manager) start(plain bool, program string, args []string) (*exec.Cmd, error) {
	if plain {
		m.release()
	}
	// LISTEN_PID is the service's own, which is known only in the process that becomes it.
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, program}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, managerEnv) })
	if !plain {
		m.mu.Lock()
		defer m.mu.Unlock()
		var names []string
		for _, s := range m.store {
			fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				return nil, err
			}
			file := os.NewFile(uintptr(fd), s.name)
			defer file.Close()
			cmd.ExtraFiles = append(cmd.ExtraFiles, file)
			names = append(names, s.name)
		}
		cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+m.path, "FDSTORE=256",
			"LISTEN_FDS="+strconv.Itoa(len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	return cmd, cmd.Start()
}

// release closes what is stored.
func (m *manager) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(func(storedFD) bool { return false })
}

// keep closes all that wanted does not want. The lock is held.
func (m *manager) keep(wanted func(storedFD) bool) {
	m.store = slices.DeleteFunc(m.store, func(s storedFD) bool {
		if wanted(s) {
			return false
		}
		unix.Close(s.fd)
		return true
	})
}

// listen takes the service's messages until the socket is closed.
func (m *manager) listen() {
	buf, oob := make([]byte, 4096), make([]byte, 4096)
	for {
		n, oobn, _, _, err := m.socket.ReadMsgUnix(buf, oob)
		if err != nil {
			return
		}
		fds, err := descriptorsOf(oob[:oobn])
		if err != nil {
			fmt.Fprintln(os.Stderr, "manager:", err)
		}
		m.take(assignments(string(buf[:n])), fds)
	}
}

func assignments(text string) map[string]string {
	all := map[string]string{}
	for _, line := range strings.Split(text, "\n") {
		key, value, _ := strings.Cut(line, "=")
		all[key] = value
	}
	return all
}

// descriptorsOf are those that came with a message.
func descriptorsOf(oob []byte) (all []int, err error) {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	for _, message := range messages {
		fds, err := syscall.ParseUnixRights(&message)
		if err != nil {
			return nil, err
		}
		for _, fd := range fds {
			syscall.CloseOnExec(fd)
			all = append(all, fd)
		}
	}
	return all, nil
}

// take does what a message says. The descriptor of a barrier is closed once all before it is done, which it is.
func (m *manager) take(said map[string]string, fds []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case said["FDSTORE"] == "1":
		for _, fd := range fds {
			m.store = append(m.store, storedFD{said["FDNAME"], fd})
		}
	case said["FDSTOREREMOVE"] == "1":
		m.keep(func(s storedFD) bool { return s.name != said["FDNAME"] })
		fallthrough
	default:
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
}

// serveAsManager ends the process as a manager, if it is to be one.
func serveAsManager() {
	if os.Getenv(managerEnv) == "" {
		return
	}
	if err := runManager(os.Args[1:]); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
