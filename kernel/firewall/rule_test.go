package firewall

import (
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
)

func verdictAccept() []expr.Any { return verdict(expr.VerdictAccept) }

func TestATagIsFoundAmongOtherUserData(t *testing.T) {
	r := rule{"forward", "a comment", verdictAccept()}
	tag, err := r.tag("weft0")
	if err != nil {
		t.Fatal(err)
	}
	data := r.nft(&nftables.Chain{Table: ownTable("weft0")}, tag).UserData
	if got := tagIn(data); got != tag || got[digestLen:] != "weft0" {
		t.Errorf("tag %q in %x, want %q", got, data, tag)
	}
	if comment, _ := userdata.GetString(data, userdata.TypeComment); comment != "a comment" {
		t.Errorf("the comment is %q", comment)
	}
	for _, none := range [][]byte{nil, {0}, {tagType}, {tagType, 0}, {tagType, 200, 1}, {0, 1, 0}, append([]byte{tagType, digestLen}, make([]byte, digestLen)...)} {
		if got := tagIn(none); got != "" {
			t.Errorf("tag %q in %x", got, none)
		}
	}
}

func TestATagTellsWhatTheRuleSaysAndForWhom(t *testing.T) {
	base := rule{"forward", "a comment", all(in("weft0"), verdictAccept())}
	seen := map[string]bool{}
	for _, c := range []struct {
		rule   rule
		device string
	}{
		{base, "weft0"},
		{base, "weft1"},
		{rule{"entering", base.comment, base.exprs}, "weft0"},
		{rule{base.chain, "another", base.exprs}, "weft0"},
		{rule{base.chain, base.comment, all(in("weft1"), verdictAccept())}, "weft0"},
		{rule{base.chain, base.comment, all(out("weft0"), verdictAccept())}, "weft0"},
	} {
		tag, err := c.rule.tag(c.device)
		if err != nil || seen[tag] {
			t.Errorf("%+v for %s: tag %q, %v", c.rule, c.device, tag, err)
		}
		seen[tag] = true
	}
}

func FuzzFoundRule(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 0, 0, 0, 12, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 7})
	f.Add([]byte("\x02\x00\x00\x00\x34\x00\x04\x80\x30\x00\x01\x80\x0e\x00\x01\x00immediate\x00\x00\x00\x1c\x00\x02\x80\x08\x00\x01\x00\x00\x00\x00\x00\x10\x00\x02\x80\x0c\x00\x02\x80\x08\x00\x01\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, message []byte) {
		r, err := foundRule(message, "weft0")
		if err != nil && r != (found{}) {
			t.Errorf("%+v with error %v", r, err)
		}
		if r.refuses && r.leadsTo != "" {
			t.Errorf("%+v ends twice", r)
		}
		_, _ = generationIn(message)
	})
}
