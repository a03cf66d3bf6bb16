package trust

import (
	"bytes"
	"testing"
)

func TestRingSpeaksUnderTheFirstAndKnowsAll(t *testing.T) {
	secret := func(b byte) Keys { return Secret(bytes.Repeat([]byte{b}, SecretLen)).Derive() }
	a, b, c := secret(1), secret(2), secret(3)
	r := NewRing(a)
	if *r.First() != a || len(r.All()) != 1 || r.Find(b.ClusterID) != nil {
		t.Fatal("a ring of one secret knows another")
	}
	r.Set(b, a)
	if *r.First() != b || *r.Find(a.ClusterID) != a || *r.Find(b.ClusterID) != b || r.Find(c.ClusterID) != nil {
		t.Fatal("a ring of two secrets does not know both, or knows a third")
	}
}
