// A WASI program that shows what runs it.
module wiab-staging/stand-in/wasi-probe

go 1.26.0
