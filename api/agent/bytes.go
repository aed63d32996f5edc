package agent

// BytesOf reads a number of bytes as Redis does: 2gb, 1500k, 1073741824. It is false for what is none.
func BytesOf(value string) (int64, bool) {
	n, ok := bytesOf(value)
	return n, ok && n >= 0
}
