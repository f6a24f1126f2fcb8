package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// printSSH prints what --ssh-config is asked for.
func printSSH(stdout io.Writer, name string) error {
	p, err := findProfile(name)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the path of this program: %w", err)
	}
	text, err := sshConfig(p, self, runtime.GOOS == "windows")
	if err != nil {
		return err
	}
	_, err = io.WriteString(stdout, text)
	return err
}

// sshConfig returns lines for the top of ~/.ssh/config. The name of the host
// stands in a block of its own, so that ssh finds it also when the knock failed;
// Match then sees that name (ssh_config(5), Match host). The last line ends the
// block, for what the file says below.
func sshConfig(p profile, self string, windows bool) (string, error) {
	if strings.ContainsAny(p.name, " \t*?!,\"'#%\\$`&|;<>()^") {
		return "", fmt.Errorf("profile %q: ssh cannot have a host of this name; use letters, digits, dots and dashes", p.name)
	}
	command, err := shellWord(self, windows)
	if err != nil {
		return "", err
	}
	words := []string{command, "-q"}
	if !p.given(keyWait) {
		words = append(words, "--wait", "%p") // the port that ssh will connect to
	}
	words = append(words, p.name)
	host, _, _ := strings.Cut(p.host, "%")
	if strings.Contains(p.host, "%") {
		return "", fmt.Errorf("%s: ssh's Match knows no zone such as %q; give host a name or an address without one and set interface", p.places[keyHost], p.host[len(host):])
	}
	return fmt.Sprintf(`# At the top of ~/.ssh/config: ssh %s knocks first, and so does any ssh to
# %s. Without an answer ssh tries all the same.
Host %s
	HostName %s
Match host %s exec "%s"
Match all
`, p.name, host, p.name, host, host, strings.Join(words, " ")), nil
}

// shellWord writes a path for the shell that ssh starts, within the quotes of
// ssh_config(5) and with its percent signs.
func shellWord(path string, windows bool) (string, error) {
	safe := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("/._-+:@%", c) || windows && c == '\\'
	}
	plain := strings.IndexFunc(path, func(c rune) bool { return !safe(c) }) < 0
	switch {
	case strings.ContainsAny(path, "\"\n") || !windows && strings.ContainsAny(path, `'\`):
		return "", errors.New("the path of this program cannot be written into ssh's configuration; move it to one of letters and digits")
	case plain:
	case windows:
		path = `\"` + path + `\"`
	default:
		path = "'" + path + "'"
	}
	return strings.ReplaceAll(path, "%", "%%"), nil
}
