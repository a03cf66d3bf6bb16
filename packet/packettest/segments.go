package packettest

// Segments is the packet cut into segments of size payload bytes, the last one perhaps shorter, each with complete checksums:
// as Linux does it (tcp_gso_segment, inet_gso_segment).
func (t TCP) Segments(size int) [][]byte {
	var all [][]byte
	for at := 0; at == 0 || at < len(t.Payload); at += size {
		seg := t
		seg.Payload = t.Payload[at:min(at+size, len(t.Payload))]
		seg.Seq += uint32(at)
		seg.ID += uint16(len(all))
		if at > 0 {
			seg.Flags &^= CWR
		}
		if at+size < len(t.Payload) {
			seg.Flags &^= FIN | PSH
		}
		all = append(all, seg.Build())
	}
	return all
}

// Segments is the packet cut into segments of size payload bytes, the last one perhaps shorter, each with complete checksums:
// as Linux does it (__udp_gso_segment, inet_gso_segment).
func (u UDP) Segments(size int) [][]byte {
	var all [][]byte
	for at := 0; at == 0 || at < len(u.Payload); at += size {
		seg := u
		seg.Payload = u.Payload[at:min(at+size, len(u.Payload))]
		seg.ID += uint16(len(all))
		all = append(all, seg.Build())
	}
	return all
}
