package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// session is one conversation with the kernel's packet filter.
type session struct {
	raw *netlink.Conn  // for what the library has no call for, or reads with less care than rules of others need
	nft *nftables.Conn // opens a socket for each request
}

func openSession() (*session, error) {
	raw, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, explain("open netlink", err)
	}
	nft, err := nftables.New()
	if err != nil {
		return nil, errors.Join(explain("open netlink", err), raw.Close())
	}
	return &session{raw: raw, nft: nft}, nil
}

func (s *session) close() { _ = s.raw.Close() }

// request asks for a message of nf_tables and returns the answers, each with its struct nfgenmsg in front.
func (s *session) request(kind int, flags netlink.HeaderFlags, family nftables.TableFamily, attributes []byte) ([][]byte, error) {
	replies, err := s.raw.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind), Flags: netlink.Request | flags},
		Data:   append([]byte{byte(family), unix.NFNETLINK_V0, 0, 0}, attributes...),
	})
	if err != nil {
		return nil, err
	}
	list := make([][]byte, len(replies))
	for i, r := range replies {
		list[i] = r.Data
	}
	return list, nil
}

// generation is the number of the present ruleset: as long as it is the same, nobody has changed anything.
func (s *session) generation() (uint32, error) {
	replies, err := s.request(unix.NFT_MSG_GETGEN, 0, nftables.TableFamilyUnspecified, nil)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) {
		return 0, ErrNotSupported
	}
	if err != nil {
		return 0, explain("ask for the generation", err)
	}
	for _, r := range replies {
		if number, ok := generationIn(r); ok {
			return number, nil
		}
	}
	return 0, errors.New("firewall: ask for the generation: the kernel gave none")
}

func generationIn(message []byte) (number uint32, ok bool) {
	if len(message) < nfgenmsgLen {
		return 0, false
	}
	err := readAttribute(message[nfgenmsgLen:], unix.NFTA_GEN_ID, func(b []byte) error {
		if ok = len(b) == 4; ok {
			number = binary.BigEndian.Uint32(b)
		}
		return nil
	})
	return number, ok && err == nil
}

// rules lists the rules of a chain, and looks for the name of the device in them.
func (s *session) rules(c *nftables.Chain, device string) ([]found, error) {
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_RULE_TABLE, Data: append([]byte(c.Table.Name), 0)},
		{Type: unix.NFTA_RULE_CHAIN, Data: append([]byte(c.Name), 0)},
	})
	if err != nil {
		return nil, fmt.Errorf("firewall: list rules of %s: %w", chainText(c), err)
	}
	replies, err := s.request(unix.NFT_MSG_GETRULE, netlink.Dump, c.Table.Family, attributes)
	if err != nil {
		return nil, explain("list rules of "+chainText(c), err)
	}
	list := make([]found, len(replies))
	for i, r := range replies {
		if list[i], err = foundRule(r, device); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// chains lists the chains of all tables.
func (s *session) chains() ([]*nftables.Chain, error) {
	list, err := s.nft.ListChains()
	return list, explain("list chains", err)
}

// tables reports whether a table exists, and whether it is asleep or otherwise not as we make ours.
func (s *session) table(want *nftables.Table) (exists, odd bool, err error) {
	list, err := s.nft.ListTablesOfFamily(want.Family)
	if err != nil {
		return false, false, explain("list tables", err)
	}
	for _, t := range list {
		if t.Name == want.Name && t.Family == want.Family {
			return true, t.Flags != 0, nil
		}
	}
	return false, false, nil
}

// tableText is a table as nft(8) names it.
func tableText(t *nftables.Table) string { return familyNames[t.Family] + " " + t.Name }

func chainText(c *nftables.Chain) string { return tableText(c.Table) + " " + c.Name }

var familyNames = map[nftables.TableFamily]string{
	nftables.TableFamilyIPv4: "ip", nftables.TableFamilyIPv6: "ip6", nftables.TableFamilyINet: "inet",
	nftables.TableFamilyARP: "arp", nftables.TableFamilyBridge: "bridge", nftables.TableFamilyNetdev: "netdev",
}
