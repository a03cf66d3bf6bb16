package node

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weftnet/weft/node/config"
)

func TestTheControlSocketOfADaemonIsFoundByItsProcess(t *testing.T) {
	path := filepath.Join(shortDir(t), config.SocketName)
	l, err := net.Listen("unix", path)
	must(t, err)
	defer l.Close()
	if got := controlSocketOf(os.Getpid()); got != path {
		t.Errorf("found %q, want %q", got, path)
	}
	if got := controlSocketOf(1 << 30); got != "" {
		t.Errorf("of nobody: %q", got)
	}
}

func TestListeningSocketsAreReadAsTheKernelWritesThem(t *testing.T) {
	const text = `Num       RefCount Protocol Flags    Type St Inode Path
00000000: 00000002 00000000 00010000 0001 01 11 /run/weft/weft.sock
00000000: 00000003 00000000 00000000 0001 03 22 /run/weft/weft.sock
00000000: 00000002 00000000 00010000 0001 01 33
damaged
00000000: 00000002 00000000 00010000 0001 01 44 /run/a b/weft.sock
`
	got := listeningSockets(strings.NewReader(text))
	if len(got) != 2 || got["11"] != "/run/weft/weft.sock" || got["44"] != "/run/a b/weft.sock" {
		t.Errorf("%v", got)
	}
}
