package linkstate

import (
	"testing"
	"time"

	"github.com/weftnet/weft/trust"
)

func TestASharedPageIsReadOnceAndItsSignatureCheckedForEachKey(t *testing.T) {
	shared := &Shared{}
	id, other := testIdentity(1), testIdentity(2)
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	p := (&page{version: version{origin: id.Fingerprint().Number(), stamp: 1}, links: []stated{{peer: 5}}}).sign(id, now)
	for range 2 {
		got, err := shared.decode(p.raw)
		if err != nil || !got.sameContent(p) || got.version != p.version {
			t.Fatalf("read %+v, %v", got, err)
		}
		for keys, want := range map[trust.PublicKeys]bool{id.Public(): true, other.Public(): false} {
			if shared.verify(got, keys) != want {
				t.Errorf("the signature matches: %v, want %v", !want, want)
			}
		}
		got.dropped = true // of this engine's page alone
	}
	if len(shared.pages) != 1 {
		t.Errorf("%d pages are shared, want 1", len(shared.pages))
	}
	if again, _ := shared.decode(p.raw); again.dropped {
		t.Error("what one engine does with its page shows in that of another")
	}
}
