table=[]
