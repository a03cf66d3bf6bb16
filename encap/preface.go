package encap

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
)

// A stream begins in clear. The dialer sends magic, version and cluster id; the acceptor answers with a status, its own
// cluster id and the versions that it speaks. After statusGo the handshake follows, in records of a 16-bit length and
// that many bytes; after another status the acceptor closes.
const (
	streamVersion = 1
	prefaceLen    = 4 + 1 + 16     // magic, version, cluster id
	answerLen     = 1 + 16 + 1 + 1 // status, cluster id, lowest and highest version
	maxHello      = 2048           // bytes of a handshake record
)

var magic = [4]byte{'W', 'E', 'F', 'T'}

// status is the acceptor's answer to a preface.
type status uint8

const (
	statusGo      status = 0
	statusSecret  status = 1
	statusVersion status = 2
	statusBusy    status = 3
)

var errGarbage = errors.New("encap: stream does not begin as one of weft's")

type clusterID = [16]byte

func appendPreface(dst []byte, id clusterID) []byte {
	dst = append(append(dst, magic[:]...), streamVersion)
	return append(dst, id[:]...)
}

// preface is what a dialer says first.
type preface struct {
	version uint8
	cluster clusterID
}

func parsePreface(b []byte) (preface, error) {
	if len(b) < prefaceLen || [4]byte(b[:4]) != magic {
		return preface{}, errGarbage
	}
	return preface{version: b[4], cluster: clusterID(b[5:prefaceLen])}, nil
}

// judge is the acceptor's answer. known: it is in the cluster that the dialer named.
func (p preface) judge(known bool) status {
	switch {
	case p.version != streamVersion:
		return statusVersion
	case !known:
		return statusSecret
	default:
		return statusGo
	}
}

func appendAnswer(dst []byte, s status, id clusterID) []byte {
	dst = append(append(dst, byte(s)), id[:]...)
	return append(dst, streamVersion, streamVersion)
}

// answer is what an acceptor says first.
type answer struct {
	status   status
	cluster  clusterID
	min, max uint8
}

func parseAnswer(b []byte) (answer, error) {
	if len(b) < answerLen || status(b[0]) > statusBusy {
		return answer{}, errGarbage
	}
	return answer{status: status(b[0]), cluster: clusterID(b[1:17]), min: b[17], max: b[18]}, nil
}

// clusterText is how people tell clusters apart.
func clusterText(id clusterID) string { return hex.EncodeToString(id[:4]) }

func appendRecord(dst, body []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(body))), body...)
}

// readRecord reads a record of the handshake.
func readRecord(conn net.Conn) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint16(head[:])
	if n > maxHello {
		return nil, fmt.Errorf("%w: record of %d bytes", ErrPayload, n)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(conn, body)
	return body, err
}
