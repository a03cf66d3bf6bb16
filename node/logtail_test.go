package node

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestTheLogsTailHasTheLatestLinesInOrder(t *testing.T) {
	var out bytes.Buffer
	tail := newLogTail(&out)
	var all []string
	for i := range tailLines + 10 {
		line := fmt.Sprintf("line %d\n", i)
		all = append(all, line)
		if n, err := tail.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	if got, want := string(tail.text()), strings.Join(all[10:], ""); got != want {
		t.Errorf("%d bytes that begin with %.20q, want %d that begin with %.20q", len(got), got, len(want), want)
	}
	if out.String() != strings.Join(all, "") {
		t.Error("lines were not passed on")
	}
}

func TestTheLogsTailIsBounded(t *testing.T) {
	tail := newLogTail(new(bytes.Buffer))
	for i := range 10 {
		tail.Write(bytes.Repeat([]byte{byte('0' + i)}, tailBytes/4))
	}
	got := tail.text()
	if len(got) > tailBytes || !bytes.HasPrefix(got, []byte("6")) || !bytes.HasSuffix(got, []byte("9")) {
		t.Errorf("%d bytes, from %.1q to %.1q", len(got), got, got[len(got)-1:])
	}
}
