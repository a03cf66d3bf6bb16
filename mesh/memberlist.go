package mesh

import (
	"context"
	"io"
	"log"
	"log/slog"
	"strings"

	"github.com/hashicorp/memberlist"
)

const (
	// maxGossipPacket is the longest packet that memberlist may give to SendGossip.
	maxGossipPacket = 1100
	// memberlist puts a checksum of 5 bytes before what it has filled up to UDPBufferSize (rawSendMsgPacket in net.go).
	memberlistChecksum = 5

	// A message is sent retransmitMult * ceil(log10(nodes+1)) times by everybody to whom it is news, to random nodes. With
	// memberlist's default of 4 some node of ten misses one of ten claims in every second cold start; with 6 in one of 10^5.
	retransmitMult = 6
	// leastNodes is what the size of the cluster is taken for at least: we may not know yet who else is starting.
	leastNodes = 10
)

func memberlistConfig(cfg Config, t *transport, d *delegate) *memberlist.Config {
	c := memberlist.DefaultLANConfig()
	c.Name = t.self.String()
	c.Transport = t
	c.BindPort, c.AdvertisePort = DefaultPort, DefaultPort // unused but for the text of addresses
	c.RequireNodeNames = true
	c.EnableCompression = false
	c.UDPBufferSize = maxGossipPacket - memberlistChecksum
	c.HandoffQueueDepth = 4096
	c.DNSConfigPath = ""
	c.RetransmitMult = retransmitMult
	c.GossipInterval = cfg.Timing.Gossip
	c.ProbeInterval = cfg.Timing.Probe
	c.ProbeTimeout = cfg.Timing.ProbeWait
	c.PushPullInterval = cfg.Timing.PushPull
	c.TCPTimeout = cfg.Timing.Stream
	c.AwarenessMaxMultiplier = 4 // a probe, and so our own end, takes at most 4 probe intervals
	c.Delegate, c.Events, c.Alive = d, d, d
	c.Logger = memberlistLogger(cfg.Logger)
	return c
}

// memberlistLogger sends memberlist's log to ours, all of it at debug level: what matters to an operator we say ourselves.
func memberlistLogger(to *slog.Logger) *log.Logger {
	if !to.Enabled(context.Background(), slog.LevelDebug) {
		return log.New(io.Discard, "", 0)
	}
	return log.New(logWriter{to}, "", 0)
}

type logWriter struct{ to *slog.Logger }

// Write takes one line, such as "[WARN] memberlist: Refuting a suspect message".
func (w logWriter) Write(line []byte) (int, error) {
	level, text, ok := strings.Cut(strings.TrimSpace(string(line)), "] memberlist: ")
	if !ok {
		level, text = "", level
	}
	w.to.Debug("mesh.memberlist.log", "level", strings.TrimPrefix(level, "["), "text", text)
	return len(line), nil
}
