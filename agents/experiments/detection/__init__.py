"""Does a penalty detect where the model is wrong?"""
