package firewall

import (
	"bytes"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// readExpressions finds out what a rule does with every packet: it refuses it, leads it to another chain, or neither. A rule
// does so with every packet if it has nothing but a verdict, counters and logs.
func (f *found) readExpressions(ad *netlink.AttributeDecoder) error {
	always := true
	var end ending
	for ad.Next() {
		ad.Nested(func(ad *netlink.AttributeDecoder) error {
			name, data := expression(ad)
			switch name {
			case "counter", "log":
			case "reject":
				end.refuses = true
			case "immediate":
				return readAttribute(data, unix.NFTA_IMMEDIATE_DATA, end.readData)
			case "target":
				end.refuses = bytes.Equal(targetName(data), []byte("REJECT")) // iptables-nft has rejects in this form
				always = always && end.refuses
			default:
				always = false
			}
			return nil
		})
	}
	f.jumps = end.chain
	if always {
		f.refuses, f.leadsTo = end.refuses, end.chain
	}
	return ad.Err()
}

// ending is what a rule does in the end.
type ending struct {
	refuses bool
	chain   string
}

// expression is the name of an expression, and its attributes.
func expression(ad *netlink.AttributeDecoder) (name string, data []byte) {
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_EXPR_NAME:
			name = ad.String()
		case unix.NFTA_EXPR_DATA:
			data = ad.Bytes()
		}
	}
	return name, data
}

// readData reads struct NFTA_DATA_*: a verdict, or a value, which ends nothing.
func (e *ending) readData(data []byte) error {
	return readAttribute(data, unix.NFTA_DATA_VERDICT, func(data []byte) error {
		ad, err := netlink.NewAttributeDecoder(data)
		if err != nil {
			return err
		}
		for ad.Next() {
			switch ad.Type() {
			case unix.NFTA_VERDICT_CODE:
				e.refuses = bytes.Equal(ad.Bytes(), make([]byte, 4)) // NF_DROP is 0
			case unix.NFTA_VERDICT_CHAIN:
				e.chain = ad.String()
			}
		}
		return ad.Err()
	})
}

// readAttribute hands the value of the attributes of one type to read.
func readAttribute(data []byte, kind uint16, read func([]byte) error) error {
	ad, err := netlink.NewAttributeDecoder(data)
	if err != nil {
		return err
	}
	for ad.Next() {
		if ad.Type() == kind {
			ad.Do(read)
		}
	}
	return ad.Err()
}

// targetName is the name of an extension of iptables: NFTA_TARGET_NAME, with zeros behind.
func targetName(data []byte) (name []byte) {
	_ = readAttribute(data, unix.NFTA_TARGET_NAME, func(b []byte) error {
		name = bytes.TrimRight(b[:min(len(b), expr.XTablesExtensionNameMaxLen)], "\x00")
		return nil
	})
	return name
}

// contains reports whether data holds a text, such as the name of an interface, with the zero behind.
func contains(data []byte, text string) bool {
	return text != "" && bytes.Contains(data, append([]byte(text), 0))
}
