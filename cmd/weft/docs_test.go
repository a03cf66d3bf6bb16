package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weftnet/weft/lab"
	"github.com/weftnet/weft/lab/labtest"
	"github.com/weftnet/weft/node/api"
	"github.com/weftnet/weft/node/config"
)

const root = "../.."

// block is a piece of a document that is to be run on one host.
type block struct {
	host, script string
}

var runnable = regexp.MustCompile("(?s)<!-- run: ([a-z0-9-]+) -->\n```sh\n(.*?)```")

func blocks(t *testing.T, file string) []block {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	var list []block
	for _, m := range runnable.FindAllStringSubmatch(string(text), -1) {
		list = append(list, block{m[1], m[2]})
	}
	return list
}

// prelude gives a shell what the documents take for granted on a machine of one's own: an empty /etc/weft, /var/lib/weft
// and /run/weft, weft in the PATH, and sudo. 'weft up' goes to the background, as in a terminal of its own, until it is
// connected.
const prelude = `set -eu
for d in /etc /var/lib /run; do mkdir -p %[1]s/weft$d/weft; done
mkdir -p /etc/weft /var/lib/weft /run/weft
mount --bind %[1]s/weft/etc/weft /etc/weft
mount --bind %[1]s/weft/var/lib/weft /var/lib/weft
mount --bind %[1]s/weft/run/weft /run/weft
PATH=%[2]s:$PATH
sudo() { "$@"; }
`

func TestTheCommandsOfTheREADMEWork(t *testing.T) {
	needRoot(t)
	l := labtest.Lab(interrupted, t, lab.Options{})
	hosts := map[string]*lab.Host{}
	list := blocks(t, "README.md")
	last := len(list) - 1 // which takes weft off
	for _, file := range []string{"docs/operating.md", "docs/troubleshooting.md", "docs/doctor.md"} {
		list = slices.Insert(list, last, blocks(t, file)...)
	}
	if len(list) < 7 {
		t.Fatalf("%d runnable blocks in README, operating.md, doctor.md and troubleshooting.md, want at least 7", len(list))
	}
	shared := t.TempDir() // where the token is "copied" to
	for i, b := range list {
		h := hosts[b.host]
		if h == nil {
			h = labtest.Host(t, l, b.host)
			hosts[b.host] = h
		}
		runBlock(t, h, shared, b)
		if i == 2 { // the blocks before taking weft off
			pingPeer(t, h)
		}
	}
}

// pingPeer pings what the host's daemon shows as its first peer's address.
func pingPeer(t *testing.T, h *lab.Host) {
	t.Helper()
	peers, err := api.NewClient(socketOf(h)).Peers(t.Context())
	if err != nil || len(peers) == 0 || len(peers[0].Addrs) == 0 {
		t.Fatalf("%s shows no address of a peer: %v %+v", h.Name(), err, peers)
	}
	awaitPing(t, h, peers[0].Addrs[0])
}

func socketOf(h *lab.Host) string { return filepath.Join(h.Dir(), "weft", "run", "weft", "weft.sock") }

func runBlock(t *testing.T, h *lab.Host, shared string, b block) {
	t.Helper()
	begin := fmt.Sprintf(prelude, h.Dir(), filepath.Dir(labtest.Weft(t)))
	script := begin
	for line := range strings.Lines(b.script) {
		if strings.TrimSpace(line) != "sudo weft up" {
			script += line
			continue
		}
		runScript(t, h, shared, script)
		start(t, h, shared, begin+"exec weft up\n")
		script = begin
	}
	if out := runScript(t, h, shared, script); strings.TrimSpace(out) != "" {
		t.Logf("%s:\n%s", b.host, out)
	}
}

func runScript(t *testing.T, h *lab.Host, dir, script string) string {
	t.Helper()
	out, err := h.RunCommand(within(t, patience), lab.Command{Args: []string{"unshare", "--mount", "bash", "-c", script}, Dir: dir})
	if err != nil {
		t.Fatalf("on %s: %v\n%s\n%s", h.Name(), err, script, out)
	}
	return out
}

// start starts the daemon and waits until it has a subnet and, if it is not the first, a peer.
func start(t *testing.T, h *lab.Host, dir, script string) {
	t.Helper()
	p, err := h.StartCommand(lab.Command{Args: []string{"unshare", "--mount", "bash", "-c", script}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	await(t, func() (bool, string) {
		text, err := h.Run(within(t, patience), labtest.Weft(t), "status", "--socket", socketOf(h))
		ready := err == nil && !strings.Contains(text, "none yet") && (h.Name() == "vm-1" || strings.Contains(text, " up "))
		said, _ := p.Stderr()
		return ready, fmt.Sprintf("%v %s\n%s", err, text, said)
	})
}

func TestEveryKeyIsDocumentedWithItsDefault(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/configuration.md"))
	if err != nil {
		t.Fatal(err)
	}
	defaults := config.Default()
	for _, k := range config.Keys() {
		row := regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(k.Name) + "` \\| (.*?) \\| (.*?) \\|").FindStringSubmatch(string(text))
		if row == nil {
			t.Errorf("docs/configuration.md has no row for %s", k.Name)
			continue
		}
		if by := map[bool]string{true: "reload", false: "restart"}[k.Reload]; row[2] != by {
			t.Errorf("docs/configuration.md says that %s takes effect by %s; it is %s", k.Name, row[2], by)
		}
		shown := strings.NewReplacer("`", "", "[", "", "]", "", " ", "", "none", "").Replace(row[1])
		want := k.Get(&defaults)
		if k.Name == "name" || k.Name == "advertise" { // depends on the machine
			continue
		}
		if !strings.EqualFold(shown, want) {
			t.Errorf("docs/configuration.md says that %s defaults to %s; it is %s", k.Name, shown, want)
		}
	}
}

func TestLinksInTheDocumentsLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)\)`)
	files := []string{filepath.Join(root, "README.md")}
	for _, pattern := range []string{"docs/*.md", "docs/bench/*.md", "docs/bench/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			}
		}
	}
}
