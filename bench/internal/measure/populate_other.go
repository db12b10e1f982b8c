//go:build unix && !linux

package measure

const populate = 0
