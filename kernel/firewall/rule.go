package firewall

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// rule is a rule that is wanted.
type rule struct {
	chain   string
	comment string // for people, at most 127 bytes
	exprs   []expr.Any
}

// tagType is the type of our attribute in a rule's user data. Types from 2 on have no meaning to nft(8) and iptables(8),
// which pass over them (libnftnl, udata.h).
const tagType = 0x77

// digestLen is how much of a SHA-256 is enough to tell our own few rules apart.
const digestLen = 8

// tag is the digest of the rule, followed by the name of the device that it is for.
func (r rule) tag(device string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", r.chain, r.comment)
	for _, e := range r.exprs {
		data, err := expr.Marshal(unix.NFPROTO_INET, e)
		if err != nil {
			return "", fmt.Errorf("firewall: write rule %q: %w", r.comment, err)
		}
		h.Write(data)
	}
	return string(h.Sum(nil)[:digestLen]) + device, nil
}

// nft is the rule as it goes into a chain.
func (r rule) nft(c *nftables.Chain, tag string) *nftables.Rule {
	data := userdata.AppendString(nil, userdata.TypeComment, r.comment)
	return &nftables.Rule{Table: c.Table, Chain: c, Exprs: r.exprs, UserData: userdata.Append(data, tagType, []byte(tag))}
}

// tags are those of a list of rules.
func tags(rules []rule, device string) ([]string, error) {
	list := make([]string, len(rules))
	for i, r := range rules {
		tag, err := r.tag(device)
		if err != nil {
			return nil, err
		}
		list[i] = tag
	}
	return list, nil
}

// found is a rule that the kernel lists, as far as it matters here.
type found struct {
	handle  uint64
	tag     string // "" if it is none of ours
	refuses bool   // drops or rejects every packet that comes to it
	leadsTo string // the chain that every packet that comes to it goes to
	jumps   string // the chain that packets go to which it is for
	names   bool   // it holds the name of the device that was looked for
	opens   bool   // it has the comment of a rule that opens a chain for that device
}

// foundRule reads a message NFT_MSG_NEWRULE, without the netlink header. Expressions that it does not know make a rule
// conditional. device is looked for in the rule.
func foundRule(message []byte, device string) (found, error) {
	if len(message) < nfgenmsgLen {
		return found{}, fmt.Errorf("firewall: read rule: %d bytes", len(message))
	}
	ad, err := netlink.NewAttributeDecoder(message[nfgenmsgLen:])
	if err != nil {
		return found{}, fmt.Errorf("firewall: read rule: %w", err)
	}
	ad.ByteOrder = binary.BigEndian
	var f found
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_RULE_HANDLE:
			f.handle = ad.Uint64()
		case unix.NFTA_RULE_USERDATA:
			f.tag = tagIn(ad.Bytes())
			f.opens = f.opens || contains(ad.Bytes(), openingComment(device))
		case unix.NFTA_RULE_EXPRESSIONS:
			f.names = contains(ad.Bytes(), device)
			f.opens = f.opens || contains(ad.Bytes(), openingComment(device)) // iptables has comments in this form
			ad.Nested(f.readExpressions)
		}
	}
	if err := ad.Err(); err != nil {
		return found{}, fmt.Errorf("firewall: read rule: %w", err)
	}
	return f, nil
}

// nfgenmsgLen is the length of struct nfgenmsg in front of the attributes (linux/netfilter/nfnetlink.h).
const nfgenmsgLen = 4

// tagIn finds our tag in user data, which is a list of type, length and value; "" if there is none.
func tagIn(data []byte) string {
	for len(data) >= 2 && len(data) >= 2+int(data[1]) {
		end := 2 + int(data[1])
		if data[0] == tagType && end > 2+digestLen {
			return string(data[2:end])
		}
		data = data[end:]
	}
	return ""
}
