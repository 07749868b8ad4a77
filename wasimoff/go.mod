// The program of our providers of Wasimoff: it starts Chromium and sees that its page stays connected.
module wiab-staging/wasimoff

go 1.26.0
