"""What a run keeps so that it can go on.

`saved` says what a checkpoint holds, `checkpoint` writes and reads its file, `encoding` its form.
"""
